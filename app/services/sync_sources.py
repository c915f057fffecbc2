"""What a schedule's source means now: its files one after another, and which of the indexed names are its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from app.domain.globs import Glob
from app.domain.schedules import Source
from app.errors import DyadError, FieldError, InvalidInput, Unprocessable
from app.imagery.stac_catalogues import list_stac_items, read_stac_catalogue
from app.services.ingest_sources import (
    Rejection,
    Roots,
    SourceFile,
    asset_files,
    label_from_folder,
    list_files,
    what_is_wrong_with_text,
)

Expand = Callable[[SourceFile], Iterator[SourceFile | Rejection]]
"""Gives what a file stands for: itself, or what is in it."""


class SourceListing:
    """One source in one run.

    Files are named by the absolute path under which the source finds them, links not followed; what is in a zip or an item
    `path/inner` or `path#asset`, the Items of a catalogue `catalogue/collection/id#asset`.

    seen: names of all that the source means, unpacked. unreadable: names that could not be read; whatever is in them counts
    as still there. trouble: why nothing can be said of what is gone, None if it can. is_missing: the trouble is only that
    nothing is there. is_partial: a part of a catalogue could not be read, which is a rejection, too.
    """

    def __init__(self, source: Source, roots: Roots) -> None:
        self.source = source
        self.name = "/" + os.path.normpath(source.where).lstrip("/")
        self.seen: set[str] = set()
        self.unreadable: set[str] = set()
        self.trouble: str | None = None
        self.is_missing = False
        self.is_partial = False
        self._roots = roots
        self._glob = None if source.glob is None else Glob.parse(self.name)
        self._is_catalogue = False

    def check(self) -> None:
        """See that the source is there and may be read.

        Raises:
            Forbidden: it lies outside the roots. InvalidInput: nothing is there, or something of another kind.
        """
        self._open()

    def entries(self) -> Iterator[SourceFile | Rejection]:
        """The files, before they are unpacked, or the images of a catalogue. Never raises: see `trouble`."""
        self.trouble, self.is_missing, self.is_partial = None, False, False
        try:
            yield from self._entries(*self._open())
        except (DyadError, OSError) as error:
            self.trouble = f"{self.name}: {error.strerror}" if isinstance(error, OSError) else str(error)
            self.is_missing = not os.path.lexists(self.name if self._glob is None else self._glob.base)

    def files(self, expand: Expand) -> Iterator[SourceFile | Rejection]:
        """The same, unpacked and labelled as the source says; notes what was seen."""
        for entry in self.entries():
            unpacked = iter([entry]) if isinstance(entry, Rejection) or self._is_catalogue else expand(entry)
            for source in unpacked:
                if isinstance(source, Rejection):
                    self.unreadable.add(source.file_name)
                    yield source
                else:
                    self.seen.add(source.name)
                    yield label_from_folder(source) if self.source.labels_from_folders else source

    def owns(self, name: str) -> bool:
        """Whether the source would have found the file of this name, if it were there."""
        if self._glob is None:
            return name == self.name or name.startswith((self.name.rstrip("/") + "/", self.name + "#"))
        return any(self._glob.matches(container) for container in (name, *_containers(name, zips_only=True)))

    def is_there(self, name: str) -> bool:
        """Whether it was seen, or lies in something that could not be read."""
        return name in self.seen or name in self.unreadable or not self.unreadable.isdisjoint(_containers(name))

    def _open(self) -> tuple[Path, dict[str, Any] | None]:
        """The real path of the source, of a glob that of its base; and the JSON of a catalogue."""
        if self._glob is not None:
            base = self._roots.resolve(self._glob.base)
            if not base.is_dir():
                raise InvalidInput(f"{self._glob.base}: no folder, so nothing in it can match")
            return base, None
        root = self._roots.resolve(Path(self.name))
        catalogue = read_stac_catalogue(root) if root.is_file() else None
        if self.source.stac is not None and catalogue is None:
            raise InvalidInput(f"{self.name}: no STAC catalogue, collection or item collection; name its JSON file")
        return root, catalogue

    def _entries(self, root: Path, catalogue: dict[str, Any] | None) -> Iterator[SourceFile | Rejection]:
        self._is_catalogue = catalogue is not None
        if catalogue is not None:
            yield from self._items(root, catalogue)
        else:
            name = self.name if self._glob is None else self._glob.base.as_posix()
            yield from list_files(root, name.rstrip("/"), self._roots, self._glob)

    def _items(self, root: Path, catalogue: dict[str, Any]) -> Iterator[SourceFile | Rejection]:
        for found in list_stac_items(root, catalogue, self._roots.resolve):
            name = f"{self.name}/{found.name}"
            wrong = str(found.item) if isinstance(found.item, DyadError) else what_is_wrong_with_text(name)
            if wrong is not None:
                self.is_partial = True
                yield Rejection(name, wrong)
            elif not isinstance(found.item, DyadError):
                yield from asset_files(found.item, name, self._roots)


def check_sources(given: Sequence[str | Source], roots: Roots) -> None:
    """See that every source can be read now.

    Raises:
        Unprocessable: one is no absolute path, or not such a source; names it. Forbidden: one lies outside the roots.
        InvalidInput: at one nothing is there.
    """
    for number, each in enumerate(given):
        source = Source.of(each)
        if not source.where.startswith("/"):
            wrong = f"{source.where!r} is no whole path on the server; write it from the / on"
            raise Unprocessable(f"sources.{number}: {wrong}", [FieldError(f"sources.{number}", wrong)])
        try:
            SourceListing(source, roots).check()
        except OSError as error:
            raise InvalidInput(f"{source.where} cannot be read: {error.strerror}") from None


def _containers(name: str, zips_only: bool = False) -> Iterator[str]:
    """The names of all that a source may lie in: the STAC item that it is an asset of, folders, zips."""
    if "#" in name:
        yield name.rsplit("#", 1)[0]
    end = name.rfind("/")
    while end > 0:
        if not zips_only or name[:end].lower().endswith(".zip"):
            yield name[:end]
        end = name.rfind("/", 0, end)
