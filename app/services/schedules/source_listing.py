"""One source of a schedule in one run: its files, and the indexed names that belong to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.domain.naming.file_names import what_is_wrong_with_text
from app.domain.naming.urls import Url, is_url
from app.domain.scheduling.globs import Glob, has_magic
from app.domain.scheduling.schedules import Source
from app.errors import DyadError, FieldError, InvalidInput, NotThere, Unavailable, Unprocessable
from app.imagery.sources.stac_catalogues import Place, list_stac_items, read_stac_catalogue
from app.imagery.sources.stac_scenes import BandChoice
from app.services.ingest.incoming.file_marks import FileMarks, stamp_of
from app.services.ingest.incoming.folder_labels import FolderLabels
from app.services.ingest.incoming.read_policy import ReadPolicy
from app.services.ingest.incoming.sources import Found, Rejection, SourceFile, list_files
from app.services.ingest.incoming.stac_files import item_files
from app.services.schedules.downloads import Downloads

Expand = Callable[[SourceFile], Iterator[Found]]
"""Returns the files to index for a listed file: itself, or the members of a zip or STAC item."""


class SourceListing:
    """Lists one source in one run.

    Files are named by their absolute path, links not followed, or by their URL; members of a zip `path/inner`, assets of an
    Item `path#asset`, assets of a catalogue's Items `catalogue/collection/id#asset`.

    downloads: fetches web sources; without it a web source can be checked but not listed. choice: the bands that the collection
    takes of a catalogue's Items. marks: of files that need not be read again.
    seen: names of all listed files, unpacked. unreadable: names that could not be read; files in them do not count as missing.
    trouble: why missing files cannot be determined, None if they can. is_missing: the trouble is that the source does not
    exist.
    is_partial: a part of a catalogue could not be read (and was rejected).
    """

    def __init__(
        self,
        source: Source,
        read_policy: ReadPolicy,
        downloads: Downloads | None = None,
        choice: BandChoice = BandChoice(),  # noqa: B008 - immutable
        marks: FileMarks | None = None,
    ) -> None:
        self.source = source
        self._url = Url.parse(source.where) if is_url(source.where) else None
        self.name = str(self._url or "/" + os.path.normpath(source.where).lstrip("/"))
        self.seen: set[str] = set()
        self.unreadable: set[str] = set()
        self.trouble: str | None = None
        self.is_missing = False
        self.is_partial = False
        self._read_policy = read_policy
        self._downloads = downloads
        self._choice = choice
        self._marks = marks
        self._glob = None if source.glob is None else Glob.parse(self.name)
        self._is_catalogue = False

    def check(self) -> None:
        """Check that the source exists and may be read. For a web source only the URL is checked; no request is sent.

        Raises:
            Forbidden: the read policy does not allow it. InvalidInput: it does not exist, or is of another kind.
        """
        if self._url is not None:
            self._read_policy.web().check(self.name)
        else:
            self._open()

    def entries(self) -> Iterator[Found]:
        """The files before they are unpacked, or the images of a catalogue. Errors of the source are noted in `trouble`."""
        self.trouble, self.is_missing, self.is_partial = None, False, False
        try:
            yield from self._entries(*self._open())
        except Unavailable:
            raise  # a failure of the service, such as a full disk, not of the source
        except (DyadError, OSError) as error:
            self._note_trouble(error)

    def files(self, expand: Expand) -> Iterator[Found]:
        """The files of `entries`, unpacked and labelled as the source requires; records `seen` and `unreadable`."""
        labels = FolderLabels() if self.source.labels_from_folders else None
        for entry in self.entries():
            for source in self._checked(entry, expand):
                if isinstance(source, Rejection):
                    self.unreadable.add(source.file_name)
                if not isinstance(source, SourceFile):
                    yield source
                    continue
                self.seen.add(source.name)
                yield labels.apply(source, entry) if labels is not None and isinstance(entry, SourceFile) else source
        if labels is not None:
            yield from labels.notes()

    def _checked(self, entry: Found, expand: Expand) -> Iterator[Found]:
        """What `_unpacked` yields, with marks; only the entry itself if it is a file that need not be read."""
        marks = self._marks
        if marks is None or not isinstance(entry, SourceFile) or entry.stack:
            yield from self._unpacked(entry, expand)
            return
        listed = FolderLabels().apply(entry, entry) if self.source.labels_from_folders else entry
        if entry.url is None:
            stamp = stamp_of(entry.path)
        else:
            stamp = self._web().stamp(entry.url) if marks.is_marked(entry.name) else None
        unchanged = marks.unchanged(listed, stamp)
        if unchanged is not None:
            yield replace(entry, unchanged_tiles=unchanged.unchanged_tiles)
            return
        entry = replace(entry, stamp=stamp if entry.url is None else None)
        for source in self._unpacked(entry, expand):
            is_entry = isinstance(source, SourceFile) and source.name == entry.name
            yield marks.applied(source, listed) if is_entry and isinstance(source, SourceFile) else source

    def _unpacked(self, entry: Found, expand: Expand) -> Iterator[Found]:
        if isinstance(entry, SourceFile) and (entry.stack or entry.area is not None):
            yield from expand(entry)
            return
        if isinstance(entry, SourceFile) and entry.url is not None:
            try:
                entry = self._web().file(entry)
            except Unavailable:
                raise
            except DyadError as error:
                if not self._is_catalogue:  # it is the source itself
                    self._note_trouble(error)
                    return
                entry = Rejection(entry.name, str(error), entry.weight)
        if isinstance(entry, SourceFile) and not self._is_catalogue:
            yield from expand(entry)
        else:
            yield entry

    def _note_trouble(self, error: DyadError | OSError) -> None:
        self.trouble = f"{self.name}: {error.strerror}" if isinstance(error, OSError) else str(error)
        here = self.name if self._glob is None else self._glob.base
        self.is_missing = isinstance(error, NotThere) if self._url is not None else not os.path.lexists(here)

    def _web(self) -> Downloads:
        if self._downloads is None:
            raise RuntimeError("a web source can be listed only with `downloads`")
        return self._downloads

    def owns(self, name: str) -> bool:
        """Whether the source lists the file of this name if the file exists."""
        if self._glob is None:
            return name == self.name or name.startswith((self.name.rstrip("/") + "/", self.name + "#"))
        return any(self._glob.matches(container) for container in (name, *_containers(name, zips_only=True)))

    def is_there(self, name: str) -> bool:
        """Whether the name was listed, or lies in something that could not be read."""
        return name in self.seen or name in self.unreadable or not self.unreadable.isdisjoint(_containers(name))

    def _open(self) -> tuple[Place, dict[str, Any] | None]:
        """The resolved path of the source (of the base of a glob) or its URL, and the JSON of a catalogue."""
        if self._url is not None:
            return self._url, None if self.source.stac is None else self._catalogue(self._web().document(self._url))
        if self._glob is not None:
            base = self._read_policy.resolve(self._glob.base)
            if not base.is_dir():
                raise InvalidInput(f"{self._glob.base}: not a folder; name an existing folder before the first wildcard")
            return base, None
        root = self._read_policy.resolve(Path(self.name))
        return root, self._catalogue(root)

    def _catalogue(self, path: Path) -> dict[str, Any] | None:
        catalogue = read_stac_catalogue(path) if path.is_file() else None
        if self.source.stac is not None and catalogue is None:
            raise InvalidInput(
                f"{self.name}: not a STAC catalogue, collection or item collection; give the path or URL of its JSON file"
            )
        return catalogue

    def _entries(self, root: Place, catalogue: dict[str, Any] | None) -> Iterator[Found]:
        self._is_catalogue = catalogue is not None
        if catalogue is not None:
            yield from self._items(root, catalogue)
        elif isinstance(root, Url):
            yield SourceFile(self.name, Path(), url=self.name)
        else:
            name = self.name if self._glob is None else self._glob.base.as_posix()
            yield from list_files(root, name.rstrip("/"), self._read_policy, self._glob)

    def _items(self, root: Place, catalogue: dict[str, Any]) -> Iterator[Found]:
        web, conditions = self._read_policy.remote is not None, self.source.conditions
        for found in list_stac_items(root, catalogue, self._read, web=web, conditions=conditions):
            name = f"{self.name.rstrip('/')}/{found.name}"
            wrong = str(found.item) if isinstance(found.item, DyadError) else what_is_wrong_with_text(name)
            if wrong is not None:
                self.is_partial = True
                yield Rejection(name, wrong)
            elif not isinstance(found.item, DyadError):
                yield from item_files(found.item, name, self._read_policy, self._choice, area=conditions.area)

    def _read(self, place: Place, body: bytes | None = None) -> tuple[Place, Path]:
        """See `Open`."""
        if isinstance(place, Url):
            return place, self._web().document(place, body)
        real = self._read_policy.resolve(place)
        return real, real


def check_sources(given: Sequence[str | Source], read_policy: ReadPolicy) -> None:
    """Check that every source can be read now.

    Raises:
        Unprocessable: a source is not an absolute path or URL, or is a pattern on the web; the message names it. Forbidden: the
        read policy does not allow one. InvalidInput: one does not exist.
    """
    for number, each in enumerate(given):
        source = Source.of(each)
        wrong = _what_is_wrong(source)
        if wrong is not None:
            raise Unprocessable(f"sources.{number}: {wrong}", [FieldError(f"sources.{number}", wrong)])
        try:
            SourceListing(source, read_policy).check()
        except OSError as error:
            raise InvalidInput(f"{source.where} cannot be read: {error.strerror}") from None


def _what_is_wrong(source: Source) -> str | None:
    """Why a source is not valid, independent of whether it exists; None if it is."""
    if not is_url(source.where):
        is_whole = source.where.startswith("/")
        return None if is_whole else f"{source.where!r} is not an absolute path on the server; it must start with /"
    is_pattern = source.glob is not None or any(map(has_magic, source.where.split("/", 3)[3:]))
    if is_pattern:
        return f'{source.where!r}: patterns are not supported for URLs; name each file, or a STAC catalogue as {{"stac": url}}'
    return None


def _containers(name: str, zips_only: bool = False) -> Iterator[str]:
    """Names of everything that contains a file: the STAC item of an asset, folders, zips."""
    if "#" in name:
        yield name.rsplit("#", 1)[0]
    end = name.rfind("/")
    while end > 0:
        if not zips_only or name[:end].lower().endswith(".zip"):
            yield name[:end]
        end = name.rfind("/", 0, end)
