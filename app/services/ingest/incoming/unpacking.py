"""The files to index for a listed file: itself, the members of a zip, or the scenes of STAC items."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote

from app.domain.naming.file_names import what_is_wrong_with_text
from app.domain.naming.urls import Url
from app.domain.scheduling.stac_selection import EVERYTHING, Conditions
from app.errors import DyadError, InvalidInput, Unavailable, UnreadableImage
from app.imagery.raster.area_copy import Elsewhere
from app.imagery.sources.archives import extract, has_stac_members, staged_place_files
from app.imagery.sources.file_kinds import FileKind, sniff
from app.imagery.sources.foreign_formats import explain
from app.imagery.sources.stac_catalogues import Place, list_stac_items, read_stac_catalogue
from app.imagery.sources.stac_items import read_stac_item
from app.imagery.sources.stac_queries import accepts
from app.imagery.sources.stac_references import STAC_ENDINGS, referenced_names, relative_name
from app.imagery.sources.stac_scenes import BandChoice
from app.services.ingest.incoming.read_policy import ReadPolicy
from app.services.ingest.incoming.scene_files import SceneFiles
from app.services.ingest.incoming.sources import CATALOGUE, Found, Note, Rejection, SourceFile
from app.services.ingest.incoming.stac_files import Locate, item_files, with_labels

NOT_SELECTED = "not indexed: the Item does not meet the conditions of the request"
NO_ITEM = "collections, datetime and filter select items of STAC documents, and this is none; omit them"
Beside = Callable[[str], Path | None]
"""Returns the staged path of another file of the same upload or zip by its source name; None if there is none."""


@dataclass(frozen=True, slots=True)
class Unpacker:
    """Unpacks listed files.

    staging: folder for unpacked and fetched files. max_bytes: limit of a fetched file, an unpacked zip or stacked bands.
    choice: the bands that the collection takes. beside: finds the other files of an upload, None for local files.
    conditions: which Items of STAC documents are taken.
    """

    staging: Path
    max_bytes: int
    read_policy: ReadPolicy
    choice: BandChoice = field(default_factory=BandChoice)
    beside: Beside | None = None
    conditions: Conditions = EVERYTHING

    def unpack(self, source: SourceFile) -> Iterator[Found]:
        """The files to index for a listed file. A file that cannot be read is returned as a rejection.

        Raises:
            Unavailable: a failure of the service, such as a full disk, not of the file.
        """
        try:
            yield from self._unpack(source)
        except Unavailable:
            raise
        except Elsewhere as error:
            yield Note(source.name, f"left out: {error}")
        except DyadError as error:
            yield Rejection(source.name, str(error), source.weight)
        except OSError as error:
            yield Rejection(source.name, f"cannot be read: {error.strerror}", source.weight)

    def _unpack(self, source: SourceFile) -> Iterator[Found]:
        if source.stack:
            yield self._scenes.stacked(source)
            return
        if source.area is None and self.conditions.area is not None:
            source = replace(source, area=self.conditions.area)
        if source.url is not None and not source.is_fetched:
            source = self._scenes.fetched(source)
        kind = sniff(source.path)
        if kind is FileKind.ZIP:
            yield from self._members(source)
        elif kind is FileKind.STAC:
            yield from self._stac(source)
        elif kind is FileKind.UNKNOWN:
            raise UnreadableImage(explain(source.path))
        elif self.conditions.needs_items:
            raise InvalidInput(NO_ITEM)
        else:
            yield self._scenes.cropped(source)

    @property
    def _scenes(self) -> SceneFiles:
        return SceneFiles(self.staging, self.max_bytes, self.read_policy, self.choice.grid)

    def _stac(self, source: SourceFile) -> Iterator[Found]:
        catalogue = read_stac_catalogue(source.path)
        web, area = self.read_policy.remote is not None, self.conditions.area
        locate = None if self.beside is None or source.url is not None else _locate(source, self.beside)
        if catalogue is None:
            item = with_labels(read_stac_item(source.path, source.url, web), source.metadata.labels)
            if not accepts(self.conditions, item):
                yield Note(source.name, NOT_SELECTED)
                return
            yield from self._each(item_files(item, source.name, self.read_policy, self.choice, source.weight, locate, area))
            return
        if locate is not None and catalogue.get("type") != "FeatureCollection":
            yield Note(source.name, CATALOGUE)
            return
        place: Place = source.path.resolve() if source.url is None else Url.parse(source.url)
        for found in list_stac_items(place, catalogue, self._open, web=web, conditions=self.conditions):
            name = f"{source.name.rstrip('/')}/{found.name}"
            wrong = str(found.item) if isinstance(found.item, DyadError) else what_is_wrong_with_text(name)
            if wrong is not None:
                yield Rejection(name, wrong, 0.0)
            elif not isinstance(found.item, DyadError):
                item = with_labels(found.item, source.metadata.labels)
                yield from self._each(item_files(item, name, self.read_policy, self.choice, 0.0, locate, area))

    def _each(self, files: Iterator[Found]) -> Iterator[Found]:
        """The files, those that are not on the disk yet fetched or stacked; these are deleted after they have been read."""
        for found in files:
            try:
                yield self._on_disk(found) if isinstance(found, SourceFile) else found
            except Unavailable:
                raise
            except Elsewhere as error:
                yield Note(found.name if isinstance(found, SourceFile) else found.file_name, f"left out: {error}")
            except DyadError as error:
                name = found.file_name if isinstance(found, Rejection | Note) else found.name
                yield Rejection(name, str(error), found.weight if isinstance(found, SourceFile) else 0.0)

    def _on_disk(self, source: SourceFile) -> SourceFile:
        if source.stack:
            return self._scenes.stacked(source)
        return self._scenes.cropped(source) if source.url is None else self._scenes.fetched(source)

    def _open(self, place: Place, body: bytes | None = None) -> tuple[Place, Path]:
        """See `stac_catalogues.Open`."""
        if isinstance(place, Url):
            path = self._scenes.new_path()
            self.read_policy.fetch(str(place), path, self.max_bytes, allow_query=True, body=body)
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
