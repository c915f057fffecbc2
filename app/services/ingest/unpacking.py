"""The files to index for a listed file: itself, the members of a zip, or the scenes of STAC items."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote

from app.domain.file_names import what_is_wrong_with_text
from app.domain.urls import Url
from app.errors import DyadError, InvalidInput, Unavailable, UnreadableImage
from app.imagery.sources.archives import extract, has_stac_members, staged_place_files
from app.imagery.sources.band_stack import write_stack
from app.imagery.sources.file_kinds import FileKind, sniff
from app.imagery.sources.foreign_formats import explain
from app.imagery.sources.stac_catalogues import Place, list_stac_items, read_stac_catalogue
from app.imagery.sources.stac_items import read_stac_item
from app.imagery.sources.stac_references import STAC_ENDINGS, referenced_names, relative_name
from app.imagery.sources.stac_scenes import BandChoice
from app.services.ingest.read_policy import ReadPolicy
from app.services.ingest.sources import CATALOGUE, Found, Note, Rejection, SourceFile
from app.services.ingest.stac_files import Locate, item_files, with_labels

Beside = Callable[[str], Path | None]
"""Returns the staged path of another file of the same upload or zip by its source name; None if there is none."""


@dataclass(frozen=True, slots=True)
class Unpacker:
    """Unpacks listed files.

    staging: folder for unpacked and fetched files. max_bytes: limit of a fetched file, an unpacked zip or stacked bands.
    choice: the bands that the collection takes. beside: finds the other files of an upload, None for local files.
    """

    staging: Path
    max_bytes: int
    read_policy: ReadPolicy
    choice: BandChoice = field(default_factory=BandChoice)
    beside: Beside | None = None

    def unpack(self, source: SourceFile) -> Iterator[Found]:
        """The files to index for a listed file. A file that cannot be read is returned as a rejection.

        Raises:
            Unavailable: a failure of the service, such as a full disk, not of the file.
        """
        try:
            yield from self._unpack(source)
        except Unavailable:
            raise
        except DyadError as error:
            yield Rejection(source.name, str(error), source.weight)
        except OSError as error:
            yield Rejection(source.name, f"cannot be read: {error.strerror}", source.weight)

    def _unpack(self, source: SourceFile) -> Iterator[Found]:
        if source.stack:
            yield self._stacked(source)
            return
        if source.url is not None and not source.is_fetched:
            if not source.path.name:
                source = replace(source, path=self._new_path(), temporary=True)
            self._fetch(str(source.url), source.path)
        kind = sniff(source.path)
        if kind is FileKind.ZIP:
            yield from self._members(source)
        elif kind is FileKind.STAC:
            yield from self._stac(source)
        elif kind is FileKind.UNKNOWN:
            raise UnreadableImage(explain(source.path))
        else:
            yield source

    def _new_path(self) -> Path:
        return self.staging / f"fetched-{uuid.uuid4().hex}"

    def _fetch(self, url: str, path: Path) -> None:
        self.read_policy.fetch(url, path, self.max_bytes)

    def _stacked(self, source: SourceFile) -> SourceFile:
        """The file of stacked bands, which is deleted after it has been read."""
        target = self.staging / f"stack-{uuid.uuid4().hex}"
        fetched: list[Path] = []
        bands: list[tuple[str, Path]] = []
        try:
            for band in source.stack:
                path = band.path
                if band.url is not None:
                    path = self._new_path()
                    fetched.append(path)
                    self._fetch(band.url, path)
                if path is not None:
                    bands.append((band.name, path))
            write_stack(bands, target, self.max_bytes, self.read_policy.check)
        finally:
            for path in fetched:
                path.unlink(missing_ok=True)
        return replace(source, path=target, temporary=True, stack=())

    def _stac(self, source: SourceFile) -> Iterator[Found]:
        catalogue = read_stac_catalogue(source.path)
        web = self.read_policy.remote is not None
        locate = None if self.beside is None or source.url is not None else _locate(source, self.beside)
        if catalogue is None:
            item = with_labels(read_stac_item(source.path, source.url, web), source.metadata.labels)
            yield from self._each(item_files(item, source.name, self.read_policy, self.choice, source.weight, locate))
            return
        if locate is not None and catalogue.get("type") != "FeatureCollection":
            yield Note(source.name, CATALOGUE)
            return
        place: Place = source.path.resolve() if source.url is None else Url.parse(source.url)
        for found in list_stac_items(place, catalogue, self._open, web=web):
            name = f"{source.name}/{found.name}"
            wrong = str(found.item) if isinstance(found.item, DyadError) else what_is_wrong_with_text(name)
            if wrong is not None:
                yield Rejection(name, wrong, 0.0)
            elif not isinstance(found.item, DyadError):
                item = with_labels(found.item, source.metadata.labels)
                yield from self._each(item_files(item, name, self.read_policy, self.choice, 0.0, locate))

    def _each(self, files: Iterator[Found]) -> Iterator[Found]:
        """The files, those that are not on the disk yet fetched or stacked; these are deleted after they have been read."""
        for found in files:
            try:
                if isinstance(found, SourceFile) and found.stack:
                    yield self._stacked(found)
                elif isinstance(found, SourceFile) and found.url is not None:
                    path = self._new_path()
                    self._fetch(found.url, path)
                    yield replace(found, path=path, temporary=True, is_fetched=True)
                else:
                    yield found
            except Unavailable:
                raise
            except DyadError as error:
                name = found.file_name if isinstance(found, Rejection | Note) else found.name
                yield Rejection(name, str(error), found.weight if isinstance(found, SourceFile) else 0.0)

    def _open(self, place: Place) -> tuple[Place, Path]:
        """See `stac_catalogues.Open`."""
        if isinstance(place, Url):
            path = self._new_path()
            self.read_policy.fetch(str(place), path, self.max_bytes, allow_query=True)
            return place, path
        real = self.read_policy.resolve(place)
        return real, real

    def _members(self, source: SourceFile) -> Iterator[Found]:
        if has_stac_members(source.path):
            yield from self._members_with_items(source)
            return
        for name, member in extract(source.path, source.name, self.staging, self.max_bytes, members=source.members):
            yield _member(name, member)

    def _members_with_items(self, source: SourceFile) -> Iterator[Found]:
        """The members of a zip with STAC items, which refer to other members: all are unpacked first."""
        members = list(extract(source.path, source.name, self.staging, self.max_bytes))
        paths = {name: path for name, path in members if isinstance(path, Path)}
        items = [name for name, path in paths.items() if name.lower().endswith(STAC_ENDINGS) and sniff(path) is FileKind.STAC]
        referenced = {referred for name in items for referred in referenced_names(paths[name], name)}
        first, end = source.members or (0, len(members))
        inner = replace(self, beside=paths.get)
        for name, member in members[first:end]:
            if name in items:
                yield from inner.unpack(SourceFile(name, paths[name], source.metadata, weight=0.0))
            elif name not in referenced:
                yield _member(name, member)


def _member(name: str, member: Path | DyadError) -> SourceFile | Rejection:
    if isinstance(member, DyadError):
        return Rejection(name, str(member), 0.0)
    return SourceFile(name, member, temporary=True, weight=0.0, sidecars=tuple(staged_place_files(member)))


def _locate(source: SourceFile, beside: Beside) -> Locate:
    """Finds the files that an uploaded STAC document means, among the files sent with it."""

    def locate(path: Path) -> Path:
        href = os.path.relpath(path, source.path.resolve().parent)
        names = (relative_name(source.name, text) for text in (href, unquote(href)))
        found = next(filter(None, map(beside, names)), None)
        if found is None:
            raise InvalidInput(f"{path.name}, to which the STAC document refers, was not sent with it; send both in one upload")
        return found

    return locate
