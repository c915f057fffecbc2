"""Marks of files that were indexed wholly, so that a sync does not read them again.

One tile of each file has the mark: a digest of the file's stamp (size and times, or the ETag of its server), of the metadata
and settings that determine its tiles, and of the number of its tiles. The mark is a part of the point, so that a re-index, a
rollback and a backup carry it with the tiles that it describes. It is valid while the index contains this number of tiles of
the file. It is removed before a changed file is written, and written when the last tile is durable.
"""

from __future__ import annotations

import hashlib
import json
import time
from array import array
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np

from app.domain.collections import Collection
from app.imagery.sources.sidecars import place_files
from app.ports import VectorStore
from app.services.ingest.incoming.sources import SourceFile

FORMAT = 1
"""Increase it if unchanged files give other tiles or records; they are then read once more."""
SETTLED_SECONDS = 2.0
"""A file that was written less than this ago may change without a new time of change; it gets no mark."""
_AT_ONCE = 1000
_BYTES = 8


def stamp_of(path: Path) -> str | None:
    """What changes with a local file or the files beside it that give its place; None if that is not certain."""
    try:
        found = [each.stat() for each in (path, *place_files(path))]
    except OSError:
        return None
    if max(each.st_mtime for each in found) > time.time() - SETTLED_SECONDS:
        return None
    return " ".join([str(path), *(f"{each.st_size} {each.st_mtime_ns} {each.st_ctime_ns}" for each in found)])


def mark_of(base: str, tiles: int) -> str:
    """The mark of a file with this number of tiles. base: `SourceFile.mark_base`."""
    return _digest(f"{base} {tiles}").hex()


class FileMarks:
    """The marks in an index at the start of a run. is_forced: read all files again."""

    def __init__(self, collection: Collection, *, is_forced: bool = False) -> None:
        self._settings = collection.model_dump(mode="json", include={"tile_size", "stride", "bands", "scaling"})
        self._is_forced = is_forced
        self._names: np.ndarray[tuple[int], np.dtype[np.uint64]] = np.zeros(0, np.uint64)
        self._marked: np.ndarray[tuple[int], np.dtype[np.uint64]] = np.zeros(0, np.uint64)
        self._marks = self._ids = b""

    def read(self, vectors: VectorStore, index: str, check: Callable[[], None]) -> None:
        """Read the marks of all tiles: 8 bytes per tile and 32 per file stay in memory. check: called between pages."""
        names, marked, marks, ids = array("Q"), array("Q"), bytearray(), bytearray()
        after: str | None = None
        while True:
            check()
            page = vectors.scroll_sources(index, limit=_AT_ONCE, after=after)
            for (item, name), mark in zip(page.sources, page.marks, strict=True):
                names.append(_number(name))
                if mark is not None:
                    marked.append(names[-1])
                    marks += bytes.fromhex(mark)
                    ids += UUID(item).bytes
            after = page.after
            if after is None:
                break
        order = np.argsort(np.array(marked, np.uint64), kind="stable")
        self._names, self._marked = np.sort(np.array(names, np.uint64)), np.array(marked, np.uint64)[order]
        self._marks = np.frombuffer(bytes(marks), f"V{_BYTES}")[order].tobytes()
        self._ids = np.frombuffer(bytes(ids), "V16")[order].tobytes()

    def is_marked(self, name: str) -> bool:
        """Whether a tile of the file has a mark, valid or not."""
        return self._place(name) is not None

    def applied(self, source: SourceFile, listed: SourceFile) -> SourceFile:
        """The file with the marks to remove and to write. listed: as in `unchanged`."""
        place = self._place(source.name)
        old = None if place is None else str(UUID(bytes=self._ids[16 * place : 16 * place + 16]))
        base = None if source.stamp is None else self._base(listed, source.stamp)
        return replace(source, mark_base=base, marked_tile=old)

    def unchanged(self, listed: SourceFile, stamp: str | None) -> SourceFile | None:
        """A listed file with the number of its tiles if it need not be read, else None. listed: with its labels."""
        place = self._place(listed.name)
        if place is None or stamp is None or self._is_forced:
            return None
        number = np.uint64(_number(listed.name))
        first, end = np.searchsorted(self._names, number), np.searchsorted(self._names, number, "right")
        mark = self._marks[_BYTES * place : _BYTES * place + _BYTES].hex()
        is_valid = mark == mark_of(self._base(listed, stamp), int(end - first))
        return replace(listed, unchanged_tiles=int(end - first)) if is_valid else None

    def _base(self, listed: SourceFile, stamp: str) -> str:
        metadata = listed.metadata.model_dump(mode="json", exclude_unset=True)
        return json.dumps([FORMAT, stamp, self._settings, metadata, listed.place_if_missing], sort_keys=True)

    def _place(self, name: str) -> int | None:
        """The place of a file among the marked ones, None if it has no mark or several."""
        number = np.uint64(_number(name))
        place = int(np.searchsorted(self._marked, number))
        found = self._marked[place : place + 2] == number
        return place if found[:1].any() and not found[1:].any() else None


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_BYTES).digest()


def _number(name: str) -> int:
    return int.from_bytes(_digest(name))
