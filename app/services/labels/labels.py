"""Labels of many tiles at once, from a file and to one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal

from app.domain.search import TileFilter
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
"""Rows: each time may be a walk over all tiles."""
BATCH = 250
"""Tiles that are read, or labelled under the collection's lock, at once: other writers and searches get their turn."""


class Notes:
    """Rows that changed nothing: how many, and the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self._listed: list[RowNote] = []

    @property
    def listed(self) -> list[RowNote]:
        """By line, at most `MAX_LISTED`."""
        return sorted(self._listed, key=lambda note: note.line)

    def add(self, note: RowNote) -> None:
        """One more."""
        self.count += 1
        if len(self._listed) < MAX_LISTED:
            self._listed.append(note)


@dataclass(slots=True)
class LabelImport:
    """What a file of labels did.

    updated: tiles that have other labels now. unchanged: tiles that had these already. unmatched: rows that mean no tile.
    rejected: rows that cannot be understood or done.
    """

    updated: int = 0
    unchanged: int = 0
    unmatched: Notes = field(default_factory=Notes)
    rejected: Notes = field(default_factory=Notes)


class LabelService:
    """Labels by the file."""

    def __init__(self, collections: CollectionService, vectors: VectorStore) -> None:
        self._collections = collections
        self._vectors = vectors

    def import_file(self, collection_id: str, path: Path, mode: Mode = "add") -> LabelImport:
        """Label the tiles that the rows of a CSV or GeoJSON file mean. Durable when it returns.

        mode: add to a tile's labels, or replace them. Several rows of one tile count together. A row that cannot be
        understood or means no tile is noted and fails nothing else; a file that is no such file changes nothing.

        Raises:
            NotFound: the collection. Unprocessable: no CSV with the columns that are needed, and no GeoJSON.
            TooLarge: more than `MAX_ROWS` rows.
        """
        done = LabelImport()
        targets = Targets(self._vectors, self._collections.live(collection_id).index)
        wanted: dict[str, _Wanted] = {}
        for match in _matched(targets, _understood(read_rows(path), done)):
            if isinstance(match, RowNote):
                done.rejected.add(match)
            elif not match.ids:
                done.unmatched.add(RowNote(match.row.line, match.row.target, "no tile of the collection is meant"))
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
        """The labels of the qualifying tiles as CSV, in pieces, by id; `import_file` reads it back.

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
"""What the rows of a tile say together of its labels, and the first of their lines."""


def read_rows(path: Path) -> Iterator[LabelRow | RowNote]:
    """The rows of a file of labels, GeoJSON or CSV, as its first character says."""
    with path.open("rb") as file:
        start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n\x1e")
    return read_geojson(path) if start.startswith((b"{", b"[")) else read_csv(path)


def _understood(rows: Iterable[LabelRow | RowNote], done: LabelImport) -> Iterator[LabelRow]:
    for number, row in enumerate(rows):
        if number == MAX_ROWS:
            raise TooLarge(f"the file has more than {MAX_ROWS} rows; send it in parts")
        if isinstance(row, RowNote):
            done.rejected.add(row)
        else:
            yield row


def _matched(targets: Targets, rows: Iterable[LabelRow]) -> Iterator[Match | RowNote]:
    """Each row with its tiles; ids are taken as they are, the rest is looked up in large parts."""
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


def _after(before: tuple[str, ...], said: tuple[str, ...] | None, mode: Mode) -> tuple[str, ...]:
    """The labels of a tile after what a file says of them."""
    if said is None:
        return before
    return joined(before, said) if mode == "add" else said


def _note_wanted(wanted: dict[str, _Wanted], item: str, row: LabelRow, done: LabelImport) -> None:
    labels, line = wanted.get(item, (None, row.line))
    try:
        wanted[item] = (row.labels if labels is None else joined(labels, row.labels or ()), line)
    except InvalidInput as error:
        done.rejected.add(RowNote(row.line, row.target, f"a tile would have {error}"))
