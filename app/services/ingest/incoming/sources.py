"""The files of an ingest as a stream: staged uploads, local paths and folders. `unpack` opens zips and STAC items."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from app.domain.metadata import FileMetadata
from app.domain.naming.file_names import what_is_wrong_with_path, what_is_wrong_with_text
from app.domain.places.geometry import Bounds
from app.domain.scheduling.globs import Glob, State
from app.errors import DyadError
from app.imagery.sources.sidecars import MAX_PLACE_BYTES, described_images, image_key, is_junk, is_sidecar, place_key
from app.imagery.sources.stac_references import STAC_ENDINGS, kind_of_document, referenced_names
from app.ports.stopping import check_stop
from app.services.ingest.incoming.read_policy import ReadPolicy

SIDECAR = "not imagery: it is a sidecar, which describes an image beside it"
CATALOGUE = "links of a STAC catalogue in a folder are not followed; to follow them, give the path of the catalogue itself"


@dataclass(frozen=True, slots=True)
class BandFile:
    """A file of one band: the band's name, and a local path or a URL."""

    name: str
    path: Path | None = None
    url: str | None = None


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
    folder: name of the folder of a file that is listed by itself, for its label; None if the name contains it.
    stack: files of single bands, by band name, to be stacked into the file at `path` before it is read (STAC items).
    sidecars: world file and CRS file that are staged beside an uploaded file.
    stamp: what changes with the file, None if unknown. mark_base: the mark that it gets, without the number of its tiles; None
    for no mark. marked_tile: id of the tile that has its earlier mark. unchanged_tiles: number of its tiles if it need not be
    read. See `app.services.ingest.incoming.file_marks`.
    area: only the tiles that meet it are cut from the scene, and only their pixels are read; None: all.
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
    folder: str | None = None
    stack: tuple[BandFile, ...] = ()
    sidecars: tuple[Path, ...] = ()
    stamp: str | None = None
    mark_base: str | None = None
    marked_tile: str | None = None
    unchanged_tiles: int | None = None
    area: Bounds | None = None

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


@dataclass(frozen=True, slots=True)
class Note:
    """A remark about a file that is or is not indexed, for the job's result: what is left out, and why."""

    file_name: str
    note: str


Found = SourceFile | Rejection | Note


def list_files(root: Path, name: str, read_policy: ReadPolicy, pattern: Glob | None = None) -> Iterator[Found]:
    """The file `root`, or all files below the folder `root` in sorted order, without hidden files, sidecars, and files that a
    STAC Item in the folder refers to, which are read with the Item.

    name: source name of `root`; files below are named `name/relative/path`. pattern: list only matching files; `root` is its
    base. Linked folders are skipped. A file or folder that cannot be read is returned as a rejection.
    """
    waiting = [_Entry(root, name, root.is_dir(), None if pattern is None else pattern.start)]
    if not waiting[0].is_folder and is_sidecar(root.name):
        yield Note(name, SIDECAR)
        return
    referenced: set[str] = set()
    while waiting:
        check_stop()
        entry = waiting.pop()
        if entry.is_folder:
            try:
                inside = _inside(entry, pattern)
            except OSError as error:
                yield Rejection(entry.name, f"the folder cannot be read: {error.strerror}")
                continue
            for found in inside:
                if pattern is None or found.state is None or pattern.accepts(found.state):
                    referenced |= set(_references(found, read_policy))
            waiting += inside
        elif entry.name in referenced:
            continue
        elif entry.path != root and kind_of_document(entry.path) == "catalogue":
            yield Note(entry.name, CATALOGUE)
        elif pattern is None or entry.state is None or pattern.accepts(entry.state):
            yield _listed(entry.path, entry.name, read_policy)


def _references(entry: _Entry, read_policy: ReadPolicy) -> Iterator[str]:
    """Names of the files that a STAC Item refers to, if the entry is one that may be read."""
    if entry.is_folder or not entry.name.lower().endswith(STAC_ENDINGS):
        return
    try:
        yield from referenced_names(read_policy.resolve(entry.path), entry.name)
    except (DyadError, OSError):
        return  # reported when the file itself is read


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
            is_left_out = is_junk(entry.name) or (not is_folder and is_sidecar(entry.name))
            if is_linked_folder or is_left_out or state == frozenset():
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


def write_manifest(path: Path, files: Iterable[tuple[str, Path]]) -> None:
    """Write the list of a job's staged uploads: the client's file name and the staged path, relative to the folder of `path`,
    because the folder may have another location when the job runs. World files and CRS files are moved beside their images.
    """
    files = list(files)
    beside = _stage_places(files)
    with path.open("w", encoding="utf-8") as manifest:
        for name, staged in files:
            entry: dict[str, str | list[str]] = {"name": name, "path": _relative(staged, path.parent)}
            sidecars = [] if is_sidecar(name) else [_relative(each, path.parent) for each in beside.get(image_key(name), [])]
            manifest.write(json.dumps(entry | ({"sidecars": sidecars} if sidecars else {})) + "\n")


def _relative(staged: Path, folder: Path) -> str:
    return str(staged.relative_to(folder) if staged.is_relative_to(folder) else staged)


def _stage_places(files: Iterable[tuple[str, Path]]) -> dict[str, list[Path]]:
    """Copy the world file and CRS file of each uploaded image beside it, as `.wld` and `.prj`; the copies by image key."""
    places: dict[str, dict[str, Path]] = {}
    for name, staged in files:
        key = place_key(name)
        if key is not None and staged.stat().st_size <= MAX_PLACE_BYTES:
            places.setdefault(key[0], {}).setdefault(key[1], staged)
    copies: dict[str, list[Path]] = {}
    for name, staged in files:
        if is_sidecar(name):
            continue
        for suffix, place in places.get(image_key(name), {}).items():
            copy = staged.with_suffix(suffix)
            copy.write_bytes(place.read_bytes())
            copies.setdefault(image_key(name), []).append(copy)
    return copies


def read_manifest(path: Path) -> Iterator[Found]:
    """Read the list of a job's staged uploads, in order of upload, without hidden files, sidecars, and files that an uploaded
    STAC Item refers to, which are read with the Item.
    """
    entries = list(_manifest_entries(path))
    referenced = {
        name
        for entry in entries
        if str(entry["name"]).lower().endswith(STAC_ENDINGS)
        for name in referenced_names(path.parent / entry["path"], entry["name"])
    }
    images = {image_key(entry["name"]) for entry in entries if not is_sidecar(entry["name"])}
    for entry in entries:
        name = entry["name"]
        wrong = what_is_wrong_with_path(name, "upload")
        if wrong is not None:
            yield Rejection(name, wrong)
        elif is_sidecar(name):
            if images.isdisjoint(described_images(name)):
                yield Note(name, SIDECAR)
        elif name not in referenced and not any(is_junk(part) for part in name.split("/")):
            sidecars = tuple(path.parent / each for each in entry.get("sidecars", ()))
            yield SourceFile(name, path.parent / entry["path"], sidecars=sidecars)


def uploaded_files(path: Path) -> dict[str, Path]:
    """The staged paths of a job's uploads by their names."""
    return {entry["name"]: path.parent / entry["path"] for entry in _manifest_entries(path)}


def _manifest_entries(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)
