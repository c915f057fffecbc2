"""The tiles on which the gate compares two indexes: all labelled tiles and a sample of the others.

Tile ids are digests, so the first ids in their order are a random sample, and always the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.held_out import is_held_out
from app.domain.queries.search import TileFilter
from app.domain.tiles import Tile
from app.errors import NotFound
from app.ports import VectorStore
from app.services.reindex.judging.places import Places, find_places

MAX_TILES, MAX_LABELLED = 20_000, 5000
MAX_QUERIES, MAX_OTHERS = 400, 200
"""Maximum numbers of labelled and of unlabelled queries."""
ALL_LABELS = 1_000_000
PAGE, BATCH = 64, 50
"""Tiles per read; small, because each call holds the interpreter lock."""

Rows = dict[str, NDArray[np.float32]]
"""(D,) embeddings by tile id."""


@dataclass(frozen=True, slots=True)
class IndexRows:
    """Vectors of N tiles in one index. embeddings: (N, D) float32. features: (N, F) float16, None if tiles have none."""

    embeddings: NDArray[np.float32]
    features: NDArray[np.float16] | None


@dataclass(frozen=True, slots=True)
class EvaluationTiles:
    """N tiles that both indexes have. labels: (N, C) bool, columns in the order of `classes`. held_out: (N,) bool."""

    ids: tuple[str, ...]
    classes: tuple[str, ...]
    labels: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    places: Places
    old: IndexRows
    new: IndexRows

    @property
    def is_labelled(self) -> NDArray[np.bool_]:
        """(N,) bool."""
        return np.asarray(self.labels.any(axis=1))

    def queries(self, usable: NDArray[np.bool_] | None = None) -> NDArray[np.intp]:
        """Rows of at most `MAX_QUERIES` labelled tiles that share a label with a tile of another place, evenly over the labels.

        usable: (N,) bool, the tiles that may be chosen; all by default.
        """
        places = [len(np.unique(self.places.numbers[own])) for own in self.labels.T]
        known = self.labels[:, np.array(places, np.intp) > 1]
        ranks = np.where(known, np.cumsum(known, axis=0), len(known) + 1).min(axis=1, initial=len(known) + 1)
        rows = np.flatnonzero(known.any(axis=1) & (True if usable is None else usable))
        return np.sort(rows[np.argsort(ranks[rows], kind="stable")][:MAX_QUERIES])

    def others(self) -> NDArray[np.intp]:
        """Rows of at most `MAX_OTHERS` tiles without a label."""
        return np.flatnonzero(~self.is_labelled)[:MAX_OTHERS]

    def candidates(self, row: int) -> NDArray[np.bool_]:
        """(N,) bool: the tiles that a query ranks, all except those of its place and those that overlap it."""
        return ~self.places.related(row)

    def relevance(self, row: int) -> NDArray[np.bool_]:
        """(N,) bool: whether a tile shares a label with a query."""
        return np.asarray(self.labels[:, self.labels[row]].any(axis=1))


def read_tiles(vectors: VectorStore, old: str, new: str) -> EvaluationTiles:
    """Read at most `MAX_LABELLED` labelled tiles and other tiles, at most `MAX_TILES` together, from two indexes."""
    tiles: dict[str, Tile] = {}
    known = [_scan(vectors, index, into) for index, into in ((old, tiles), (new, {}))]
    tiles.update((tile.id, tile) for tile in _labelled(vectors, old))
    for index, rows in zip((old, new), known, strict=True):
        rows.update(_retrieve(vectors, index, [item for item in tiles if item not in rows]))
    labelled = [item for item, tile in sorted(tiles.items()) if tile.labels][:MAX_LABELLED]
    plain = [item for item, tile in sorted(tiles.items()) if not tile.labels][: MAX_TILES - len(labelled)]
    ids = sorted(item for item in (*labelled, *plain) if all(item in rows for rows in known))
    ours, theirs = ([rows[item] for item in ids] for rows in known)
    return _collect([tiles[item] for item in ids], ours, theirs)


def read_rows(vectors: VectorStore, index: str, ids: Sequence[str]) -> Rows:
    """Embeddings of the tiles that exist, by id."""
    return {item: embedding for item, (embedding, _) in _retrieve(vectors, index, ids).items()}


_Vectors = tuple[NDArray[np.float32], NDArray[np.float16] | None]


def _scan(vectors: VectorStore, index: str, tiles: dict[str, Tile]) -> dict[str, _Vectors]:
    """The vectors of about the first `MAX_TILES` tiles of an index, which are added to `tiles`."""
    found: dict[str, _Vectors] = {}
    after, is_last = None, False
    while not is_last and len(found) < MAX_TILES:
        page = vectors.scroll_vectors(index, limit=PAGE, after=after, features=True)
        tiles.update((tile.id, tile) for tile in page.tiles)
        rows = zip(page.embeddings.embedding, _each(page.embeddings.feature, len(page.tiles)), strict=True)
        found.update(zip((tile.id for tile in page.tiles), rows, strict=True))
        after, is_last = page.after, page.after is None
    return found


def _labelled(vectors: VectorStore, index: str) -> list[Tile]:
    found: list[Tile] = []
    values = tuple(value for value, _ in vectors.facet(index, "labels", filter=TileFilter(), limit=ALL_LABELS))
    after, is_last = None, not values
    while not is_last and len(found) < MAX_LABELLED:
        page = vectors.scroll(index, limit=PAGE, filter=TileFilter(labels=values), after=after)
        found += page.tiles
        after, is_last = page.after, page.after is None
    return found


def _retrieve(vectors: VectorStore, index: str, ids: Sequence[str]) -> dict[str, _Vectors]:
    rows: dict[str, _Vectors] = {}
    for start in range(0, len(ids), BATCH):
        part = list(ids[start : start + BATCH])
        try:
            read = vectors.retrieve_vectors(index, part)
        except NotFound:  # a tile has just been deleted
            there = vectors.retrieve(index, part)
            part = [item for item in part if item in there]
            read = vectors.retrieve_vectors(index, part)
        rows.update(zip(part, zip(read.embedding, _each(read.feature, len(part)), strict=True), strict=True))
    return rows


def _each(features: NDArray[np.float16] | None, count: int) -> Sequence[NDArray[np.float16] | None]:
    return [None] * count if features is None else list(features)


def _collect(tiles: Sequence[Tile], old: Sequence[_Vectors], new: Sequence[_Vectors]) -> EvaluationTiles:
    classes = tuple(sorted(frozenset(label for tile in tiles for label in tile.labels)))
    columns = {label: column for column, label in enumerate(classes)}
    labels = np.zeros((len(tiles), len(classes)), np.bool_)
    for row, tile in enumerate(tiles):
        labels[row, [columns[label] for label in tile.labels]] = True
    held_out = np.array([is_held_out(tile.id) for tile in tiles], np.bool_)
    ids = tuple(tile.id for tile in tiles)
    return EvaluationTiles(ids, classes, labels, held_out, find_places(tiles), _rows(old), _rows(new))


def _rows(found: Sequence[_Vectors]) -> IndexRows:
    embeddings = np.stack([embedding for embedding, _ in found]) if found else np.zeros((0, 0), np.float32)
    features = [feature for _, feature in found if feature is not None]
    return IndexRows(embeddings, np.stack(features) if features and len(features) == len(found) else None)
