"""Which files an ingest means: staged uploads, local paths, folders, zips, STAC items, one after another."""

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
from app.services.ingest.read_policy import ReadPolicy

HIDDEN = (".", "__MACOSX", "Thumbs.db")
MAX_NAME = 1024
SIDECARS = (".aux.xml", ".ovr", ".msk", ".tfw", ".jgw", ".pgw", ".wld", ".prj")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to index.

    name: its source name. temporary: to be deleted after use (a zip's member; the zip stays until the job ends).
    weight: its share of the progress, of 1.
    place_if_missing: the metadata's place is for a file that has none itself (a STAC item's), not instead of the file's own.
    url: where the file is fetched from before it is read; `path` is where it is put. is_fetched: it lies there already.
    members: of a zip only those from the first number to before the second; None: all.
    is_known: whether any version of it is indexed; see `FileReader.look_up`.
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

    name: of `root`; what lies below is named `name/its/path`. pattern: only files that match it; `root` is its base.
    Linked folders are not entered. What cannot be read, a folder as well as a file, is a rejection and ends nothing.
    """
    waiting = [_Entry(root, name, root.is_dir(), None if pattern is None else pattern.start)]
    while waiting:
        entry = waiting.pop()
        if entry.is_folder:
            try:
                waiting += _inside(entry, pattern)
            except OSError as error:
                yield Rejection(entry.name, f"the folder cannot be read: {error.strerror}")
        elif pattern is None or entry.state is None or pattern.accepts(entry.state):
            yield _listed(entry.path, entry.name, read_policy)


class _Entry(NamedTuple):
    """state: how far a pattern has come here."""

    path: Path
    name: str
    is_folder: bool
    state: State | None


def _inside(folder: _Entry, pattern: Glob | None) -> list[_Entry]:
    """What lies in a folder and may match, the last one first."""
    found = []
    with os.scandir(folder.path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name, reverse=True):
            is_folder = entry.is_dir(follow_symlinks=False)
            is_linked_folder = not is_folder and _is_folder(entry)
            state = None if pattern is None or folder.state is None else pattern.step(folder.state, entry.name)
            is_sidecar = not is_folder and entry.name.endswith(SIDECARS)
            if is_linked_folder or is_sidecar or entry.name.startswith(HIDDEN) or state == frozenset():
                continue
            found.append(_Entry(folder.path / entry.name, f"{folder.name}/{entry.name}", is_folder, state))
    return found


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether a link leads to a folder; a broken one does not."""
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
    """The same file, labelled by the name of the folder that it lies in."""
    parts = source.name.split("/")
    if len(parts) < 2:
        return source
    labels = tuple(dict.fromkeys((*source.metadata.labels, parts[-2].replace(",", " "))))
    return replace(source, metadata=source.metadata.model_copy(update={"labels": labels}))


def with_metadata(source: SourceFile, entries: Mapping[str, FileMetadata]) -> SourceFile:
    """The same file with what the client said of it, by its whole source name, by the name in its archive, or by file name."""
    inner = source.name.split(".zip/", 1)[-1]
    for key in (source.name, inner, source.file_name):
        if key in entries:
            return replace(source, metadata=entries[key])
    return source


def write_manifest(path: Path, files: Iterable[tuple[str, Path]]) -> None:
    """Note the staged uploads of a job: the name that the client gave, and where the file was staged, as seen from `path`'s
    folder, which may lie elsewhere when the job runs.
    """
    with path.open("w", encoding="utf-8") as manifest:
        for name, staged in files:
            inner = staged.relative_to(path.parent) if staged.is_relative_to(path.parent) else staged
            manifest.write(json.dumps({"name": name, "path": str(inner)}) + "\n")


def read_manifest(path: Path) -> Iterator[SourceFile | Rejection]:
    """The staged uploads of a job, in the order they came."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            entry: dict[str, str] = json.loads(line)
            wrong = _what_is_wrong_with_name(entry["name"])
            yield Rejection(entry["name"], wrong) if wrong else SourceFile(entry["name"], path.parent / entry["path"])


def _what_is_wrong_with_name(name: str) -> str | None:
    if ".." in PurePosixPath(name).parts or name.startswith("/") or "\\" in name:
        return "the file name leads out of its folder; send it as folder/name"
    return what_is_wrong_with_text(name)


def what_is_wrong_with_text(name: str) -> str | None:
    """Why a text cannot be the name of a source, None if it can."""
    if not PurePosixPath(name).parts or len(name) > MAX_NAME or not name.isprintable():
        return f"a file name has 1 to {MAX_NAME} printable characters"
    return None


def unpack(source: SourceFile, staging: Path, max_bytes: int, read_policy: ReadPolicy) -> Iterator[SourceFile | Rejection]:
    """What a file stands for: itself, a zip's members, or the assets of a STAC item."""
    try:
        if source.url is not None and not source.is_fetched:
            read_policy.fetch(source.url, source.path, max_bytes)
        kind = sniff(source.path)
        if kind is FileKind.ZIP:
            yield from _members(source, staging, max_bytes)
        elif kind is FileKind.STAC:
            yield from _assets(source, staging, max_bytes, read_policy)
        elif kind is FileKind.UNKNOWN:
            raise UnreadableImage(f"{_what_is_wrong(source.path)}; {IMAGE_FORMATS} are read, and zips of them")
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
    """The images of a STAC item that lie on other servers, fetched one by one; each goes when it has been read."""
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
    """The item with more labels before its own, at most as many as a tile may have."""
    return replace(item, labels=tuple(dict.fromkeys((*labels, *item.labels)))[:MAX_LABELS])


def asset_metadata(item: StacItem) -> FileMetadata:
    """What an item says of its images."""
    return FileMetadata.model_construct(
        geometry=item.geometry, datetime=item.datetime, labels=item.labels, properties=item.properties
    )


def asset_files(item: StacItem, name: str, read_policy: ReadPolicy, weight: float = 1.0) -> Iterator[SourceFile | Rejection]:
    """The images of a STAC item that are files here, each named `name#asset`, with its place, time, labels and properties."""
    metadata = asset_metadata(item)
    weight /= item.count
    for key, path in item.assets:
        asset = f"{name}#{key}"
        try:
            yield SourceFile(asset, read_policy.resolve(path), metadata, weight=weight, place_if_missing=True)
        except DyadError as error:
            yield Rejection(asset, str(error), weight)


def asset_urls(item: StacItem, name: str) -> Iterator[SourceFile]:
    """Its images that lie on the web, named likewise, to be fetched."""
    metadata, weight = asset_metadata(item), 1.0 / item.count
    for key, url in item.urls:
        yield SourceFile(f"{name}#{key}", Path(), metadata, weight=weight, place_if_missing=True, url=url)
