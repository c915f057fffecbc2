"""Import and export of the labels of many tiles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal

from app.domain.queries.search import TileFilter
from app.domain.tiles import Tile
from app.errors import InvalidInput, TooLarge
from app.ports import VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.labels.csv_files import read_csv, write_csv
from app.services.labels.geojson_files import read_geojson
from app.services.labels.rows import LabelRow, RowNote, joined
from app.services.labels.targets import Match, Targets

Mode = Literal["add", "replace"]
MAX_ROWS = 1_000_000
MAX_LISTED = 1000
LOOKED_UP_AT_ONCE = 100_000
"""Rows per look-up by name or place; each look-up may read all tiles."""
BATCH = 250
"""Tiles that are read, or labelled under the write lock, at once; small, so that searches and other writers do not wait
long.
"""


class Notes:
    """Rows without effect: their number, and the first `MAX_LISTED` of them."""

    def __init__(self) -> None:
        self.count = 0
        self._listed: list[RowNote] = []

    @property
    def listed(self) -> list[RowNote]:
        """The listed rows, ordered by line."""
        return sorted(self._listed, key=lambda note: note.line)

    def add(self, note: RowNote) -> None:
        """Count a row, and list it unless the list is full."""
        self.count += 1
        if len(self._listed) < MAX_LISTED:
            self._listed.append(note)


@dataclass(slots=True)
class LabelImport:
    """Result of an import.

    updated: tiles whose labels changed. unchanged: tiles that had these labels already. unmatched: rows that match no tile.
    rejected: rows that are invalid or cannot be applied.
    """

    updated: int = 0
    unchanged: int = 0
    unmatched: Notes = field(default_factory=Notes)
    rejected: Notes = field(default_factory=Notes)


class LabelService:
    """Imports and exports labels."""

    def __init__(self, collections: CollectionService, vectors: VectorStore) -> None:
        self._collections = collections
        self._vectors = vectors

    def import_file(self, collection_id: str, path: Path, mode: Mode = "add") -> LabelImport:
        """Label the tiles to which the rows of a CSV or GeoJSON file refer. Durable on return.

        mode: add to a tile's labels, or replace them. The labels of several rows for one tile are combined. Invalid and
        unmatched rows are noted and do not affect other rows; an invalid file changes nothing.

        Raises:
            NotFound: the collection. Unprocessable: neither GeoJSON nor CSV with the required columns.
            TooLarge: more than `MAX_ROWS` rows.
        """
        done = LabelImport()
        targets = Targets(self._vectors, self._collections.live(collection_id).index)
        wanted: dict[str, _Wanted] = {}
        for match in _matched(targets, _understood(read_rows(path), done)):
            if isinstance(match, RowNote):
                done.rejected.add(match)
            elif not match.ids:
                done.unmatched.add(RowNote(match.row.line, match.row.target, "no tile of the collection matches"))
            else:
                for item in match.ids:
                    _note_wanted(wanted, item, match.row, done)
        remaining = iter(wanted.items())
        while part := dict(islice(remaining, BATCH)):
            self._label(collection_id, part, mode, done)
        with self._collections.writing(collection_id) as live:
            self._vectors.flush(live.index)
        return done

    def export_csv(self, collection_id: str, filter: TileFilter) -> Iterator[bytes]:
        """Stream the labels of the qualifying tiles as CSV, ordered by id; `import_file` reads it back.

        Raises:
            NotFound: the collection.
        """
        index = self._collections.live(collection_id).index
        return write_csv(self._pages(index, filter))

    def _label(self, collection_id: str, wanted: dict[str, _Wanted], mode: Mode, done: LabelImport) -> None:
        with self._collections.writing(collection_id) as live:
            tiles = self._vectors.retrieve(live.index, list(wanted))
            changes: dict[str, tuple[str, ...]] = {}
            for item, (labels, line) in wanted.items():
                tile = tiles.get(item)
                if tile is None:
                    done.unmatched.add(RowNote(line, f"id {item}", "no tile of the collection has this id"))
                    continue
                try:
                    after = _after(tile.labels, labels, mode)
                except InvalidInput as error:
                    done.rejected.add(RowNote(line, f"id {item}", f"the tile would have {error}"))
                    continue
                if after == tile.labels:
                    done.unchanged += 1
                else:
                    changes[item] = after
            self._vectors.set_labels(live.index, changes)
            done.updated += len(changes)

    def _pages(self, index: str, filter: TileFilter) -> Iterator[Sequence[Tile]]:
        after, is_last = None, False
        while not is_last:
            page = self._vectors.scroll(index, limit=BATCH, filter=filter, after=after)
            yield page.tiles
            after, is_last = page.after, page.after is None


_Wanted = tuple[tuple[str, ...] | None, int]
"""The combined labels of all rows for a tile (None: no change), and the line of the first row."""


def read_rows(path: Path) -> Iterator[LabelRow | RowNote]:
    """The rows of a file: GeoJSON if it starts with { or [, else CSV."""
    with path.open("rb") as file:
        start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n\x1e")
    return read_geojson(path) if start.startswith((b"{", b"[")) else read_csv(path)


def _understood(rows: Iterable[LabelRow | RowNote], done: LabelImport) -> Iterator[LabelRow]:
    for number, row in enumerate(rows):
        if number == MAX_ROWS:
            raise TooLarge(f"the file has more than {MAX_ROWS} rows; split it and send the parts")
        if isinstance(row, RowNote):
            done.rejected.add(row)
        else:
            yield row


def _matched(targets: Targets, rows: Iterable[LabelRow]) -> Iterator[Match | RowNote]:
    """Each row with its tiles; ids are used directly, names and places are looked up in batches."""
    named: list[LabelRow] = []
    placed: list[LabelRow] = []
    for row in rows:
        if row.id is not None:
            yield Match(row, (row.id,))
        elif row.name is not None:
            named.append(row)
        else:
            placed.append(row)
        if len(named) == LOOKED_UP_AT_ONCE:
            yield from targets.by_name(named)
            named = []
        if len(placed) == LOOKED_UP_AT_ONCE:
            yield from targets.by_place(placed)
            placed = []
    if named:
        yield from targets.by_name(named)
    if placed:
        yield from targets.by_place(placed)


def _after(before: tuple[str, ...], given: tuple[str, ...] | None, mode: Mode) -> tuple[str, ...]:
    """The labels of a tile after the import. given: the file's labels for it, None for no change."""
    if given is None:
        return before
    return joined(before, given) if mode == "add" else given


def _note_wanted(wanted: dict[str, _Wanted], item: str, row: LabelRow, done: LabelImport) -> None:
    labels, line = wanted.get(item, (None, row.line))
    try:
        wanted[item] = (row.labels if labels is None else joined(labels, row.labels or ()), line)
    except InvalidInput as error:
        done.rejected.add(RowNote(row.line, row.target, f"a tile would have {error}"))
