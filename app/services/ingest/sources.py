"""The files of an ingest: staged uploads, local paths, folders, zips and STAC items, as a stream."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from app.domain.globs import Glob, State
from app.domain.metadata import FileMetadata
from app.domain.tiles import MAX_LABELS
from app.errors import DyadError, Unavailable, UnreadableImage
from app.imagery.sources.archives import extract
from app.imagery.sources.file_kinds import IMAGE_FORMATS, FileKind, sniff
from app.imagery.sources.stac_items import StacItem, read_stac_item
from app.ports.stopping import check_stop
from app.services.ingest.read_policy import ReadPolicy

HIDDEN = (".", "__MACOSX", "Thumbs.db")
MAX_NAME = 1024
SIDECARS = (".aux.xml", ".ovr", ".msk", ".tfw", ".jgw", ".pgw", ".wld", ".prj")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to index.

    name: its source name. temporary: whether to delete it after use (a member of a zip; the zip itself stays until the job
    ends).
    weight: its share of the progress of a top-level file, which is 1.
    place_if_missing: use the metadata's place only if the file has none of its own (STAC items); else it takes precedence.
    url: from which the file is fetched to `path` before it is read. is_fetched: whether that has been done.
    members: range of members of a zip, start inclusive, end exclusive; None: all.
    is_known: whether any version of the file is indexed; see `FileReader.look_up`.
    """

    name: str
    path: Path
    metadata: FileMetadata = field(default_factory=FileMetadata)
    temporary: bool = False
    weight: float = 1.0
    place_if_missing: bool = False
    url: str | None = None
    is_fetched: bool = False
    members: tuple[int, int] | None = None
    is_known: bool = False

    @property
    def file_name(self) -> str:
        """The last part of the name."""
        return self.name.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Rejection:
    """A file that is not indexed, and why."""

    file_name: str
    reason: str
    weight: float = 1.0


def list_files(root: Path, name: str, read_policy: ReadPolicy, pattern: Glob | None = None) -> Iterator[SourceFile | Rejection]:
    """The file `root`, or all files below the folder `root` in sorted order, without hidden files and sidecars.

    name: source name of `root`; files below are named `name/relative/path`. pattern: list only matching files; `root` is its
    base. Linked folders are skipped. A file or folder that cannot be read is returned as a rejection.
    """
    waiting = [_Entry(root, name, root.is_dir(), None if pattern is None else pattern.start)]
    while waiting:
        check_stop()
        entry = waiting.pop()
        if entry.is_folder:
            try:
                waiting += _inside(entry, pattern)
            except OSError as error:
                yield Rejection(entry.name, f"the folder cannot be read: {error.strerror}")
        elif pattern is None or entry.state is None or pattern.accepts(entry.state):
            yield _listed(entry.path, entry.name, read_policy)


class _Entry(NamedTuple):
    """A listed file or folder. state: match state of the pattern for this path, None without a pattern."""

    path: Path
    name: str
    is_folder: bool
    state: State | None


def _inside(folder: _Entry, pattern: Glob | None) -> list[_Entry]:
    """Entries of a folder that may match, in reverse order."""
    found = []
    with os.scandir(folder.path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name, reverse=True):
            check_stop()
            is_folder = entry.is_dir(follow_symlinks=False)
            is_linked_folder = not is_folder and _is_folder(entry)
            state = None if pattern is None or folder.state is None else pattern.step(folder.state, entry.name)
            is_sidecar = not is_folder and entry.name.endswith(SIDECARS)
            if is_linked_folder or is_sidecar or entry.name.startswith(HIDDEN) or state == frozenset():
                continue
            found.append(_Entry(folder.path / entry.name, f"{folder.name}/{entry.name}", is_folder, state))
    return found


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; False for a broken link."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _listed(path: Path, name: str, read_policy: ReadPolicy) -> SourceFile | Rejection:
    wrong = what_is_wrong_with_text(name)
    if wrong is not None:
        return Rejection(name.encode("utf-8", "replace").decode(), wrong)
    try:
        real = read_policy.resolve(path)
    except DyadError as error:
        return Rejection(name, str(error))
    return SourceFile(name, real) if real.is_file() else Rejection(name, "not a regular file")


def label_from_folder(source: SourceFile) -> SourceFile:
    """The same file with the name of its folder as an additional label."""
    parts = source.name.split("/")
    if len(parts) < 2:
        return source
    labels = tuple(dict.fromkeys((*source.metadata.labels, parts[-2].replace(",", " "))))
    return replace(source, metadata=source.metadata.model_copy(update={"labels": labels}))


def with_metadata(source: SourceFile, entries: Mapping[str, FileMetadata]) -> SourceFile:
    """The same file with the client's metadata, looked up by source name, by path within its zip, or by file name."""
    inner = source.name.split(".zip/", 1)[-1]
    for key in (source.name, inner, source.file_name):
        if key in entries:
            return replace(source, metadata=entries[key])
    return source


def write_manifest(path: Path, files: Iterable[tuple[str, Path]]) -> None:
    """Write the list of a job's staged uploads: the client's file name and the staged path, relative to the folder of `path`,
    because the folder may have another location when the job runs.
    """
    with path.open("w", encoding="utf-8") as manifest:
        for name, staged in files:
            inner = staged.relative_to(path.parent) if staged.is_relative_to(path.parent) else staged
            manifest.write(json.dumps({"name": name, "path": str(inner)}) + "\n")


def read_manifest(path: Path) -> Iterator[SourceFile | Rejection]:
    """Read the list of a job's staged uploads, in order of upload."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            entry: dict[str, str] = json.loads(line)
            wrong = _what_is_wrong_with_name(entry["name"])
            yield Rejection(entry["name"], wrong) if wrong else SourceFile(entry["name"], path.parent / entry["path"])


def _what_is_wrong_with_name(name: str) -> str | None:
    if ".." in PurePosixPath(name).parts or name.startswith("/") or "\\" in name:
        return "the file name contains `..`, a backslash or a leading slash; send it as folder/name"
    return what_is_wrong_with_text(name)


def what_is_wrong_with_text(name: str) -> str | None:
    """Why a text is not a valid source name; None if it is."""
    if not PurePosixPath(name).parts or len(name) > MAX_NAME or not name.isprintable():
        return f"a file name must have 1 to {MAX_NAME} printable characters"
    return None


def unpack(source: SourceFile, staging: Path, max_bytes: int, read_policy: ReadPolicy) -> Iterator[SourceFile | Rejection]:
    """The files to index for a listed file: itself, the members of a zip, or the assets of a STAC item."""
    try:
        if source.url is not None and not source.is_fetched:
            read_policy.fetch(source.url, source.path, max_bytes)
        kind = sniff(source.path)
        if kind is FileKind.ZIP:
            yield from _members(source, staging, max_bytes)
        elif kind is FileKind.STAC:
            yield from _assets(source, staging, max_bytes, read_policy)
        elif kind is FileKind.UNKNOWN:
            raise UnreadableImage(f"{_what_is_wrong(source.path)}; supported are {IMAGE_FORMATS}, and zips of these")
        else:
            yield source
    except Unavailable:
        raise  # a failure of the service, such as a full disk, not of the file
    except DyadError as error:
        yield Rejection(source.name, str(error), source.weight)
    except OSError as error:
        yield Rejection(source.name, f"cannot be read: {error.strerror}", source.weight)


def _what_is_wrong(path: Path) -> str:
    return "the file is empty (0 bytes)" if path.stat().st_size == 0 else "not an image"


def _members(source: SourceFile, staging: Path, max_bytes: int) -> Iterator[SourceFile | Rejection]:
    for name, member in extract(source.path, source.name, staging, max_bytes, members=source.members):
        if isinstance(member, DyadError):
            yield Rejection(name, str(member), 0.0)
        else:
            yield SourceFile(name, member, temporary=True, weight=0.0)


def _assets(source: SourceFile, staging: Path, max_bytes: int, read_policy: ReadPolicy) -> Iterator[SourceFile | Rejection]:
    item = with_labels(read_stac_item(source.path, source.url, read_policy.remote is not None), source.metadata.labels)
    yield from asset_files(item, source.name, read_policy, source.weight)
    yield from _remote_assets(item, source, staging, max_bytes, read_policy)


def _remote_assets(
    item: StacItem, source: SourceFile, staging: Path, max_bytes: int, read_policy: ReadPolicy
) -> Iterator[SourceFile | Rejection]:
    """The remote images of a STAC item, fetched one by one; each is deleted after it has been read."""
    for key, url in item.urls:
        name, weight = f"{source.name}#{key}", source.weight / item.count
        path = staging / f"fetched-{uuid.uuid4().hex}"
        try:
            read_policy.fetch(url, path, max_bytes)
            yield SourceFile(name, path, asset_metadata(item), temporary=True, weight=weight, place_if_missing=True)
        except Unavailable:
            raise
        except DyadError as error:
            yield Rejection(name, str(error), weight)


def with_labels(item: StacItem, labels: Sequence[str]) -> StacItem:
    """The item with `labels` before its own, up to the maximum number of labels of a tile."""
    return replace(item, labels=tuple(dict.fromkeys((*labels, *item.labels)))[:MAX_LABELS])


def asset_metadata(item: StacItem) -> FileMetadata:
    """The metadata of a STAC item's images."""
    return FileMetadata.model_construct(
        geometry=item.geometry, datetime=item.datetime, labels=item.labels, properties=item.properties
    )


def asset_files(item: StacItem, name: str, read_policy: ReadPolicy, weight: float = 1.0) -> Iterator[SourceFile | Rejection]:
    """The local images of a STAC item, each named `name#asset`, with its place, time, labels and properties."""
    metadata = asset_metadata(item)
    weight /= item.count
    for key, path in item.assets:
        asset = f"{name}#{key}"
        try:
            yield SourceFile(asset, read_policy.resolve(path), metadata, weight=weight, place_if_missing=True)
        except DyadError as error:
            yield Rejection(asset, str(error), weight)


def asset_urls(item: StacItem, name: str) -> Iterator[SourceFile]:
    """The remote images of a STAC item, named `name#asset`, not yet fetched."""
    metadata, weight = asset_metadata(item), 1.0 / item.count
    for key, url in item.urls:
        yield SourceFile(f"{name}#{key}", Path(), metadata, weight=weight, place_if_missing=True, url=url)
