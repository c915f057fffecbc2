"""The labelled tiles of an index and a sample of the others, with a classifier; kept in memory until the index changes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.indexes import Live
from app.domain.places.place_groups import place_groups
from app.domain.queries.search import TileFilter
from app.domain.tiles import Tile
from app.errors import NotFound
from app.ports import VectorStore
from models.bundle.open_set import OpenSetClasses

MAX_EXAMPLES, MAX_OTHERS = 4000, 4000
"""Maximum numbers of labelled tiles and of unlabelled ones. Tile ids are digests, so the first ids are a random sample."""
MAX_CLASSES = 200
KEPT = 4
"""Indexes whose sample is kept, the last used ones; about 10 MB each."""
PAGE, BATCH = 128, 64
"""Tiles per read; small, because each call holds the interpreter lock."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Labelled tiles and a sample of unlabelled ones. generation: of the index when they were read.

    labels: names of the columns of the classifier's targets. example_ids: of the L labelled tiles, in the order of the
    classifier's examples. other_ids: of the M unlabelled ones. others: (M, D) float32, their embeddings.
    """

    generation: int
    labels: tuple[str, ...]
    example_ids: tuple[str, ...]
    classes: OpenSetClasses
    other_ids: tuple[str, ...]
    others: NDArray[np.float32]

    def place(self, item_id: str) -> int:
        """The place of a labelled tile; -1 for other tiles."""
        rows = [row for row, item in enumerate(self.example_ids) if item == item_id]
        return int(self.classes.places[rows[0]]) if rows else -1

    def counts(self) -> dict[str, int]:
        """Number of examples by label."""
        return dict(zip(self.labels, self.classes.targets.sum(axis=0).tolist(), strict=True))


class Samples:
    """Samples of the live indexes. Thread-safe; a change of any tile of an index, or of its labels, makes its sample stale."""

    def __init__(self, vectors: VectorStore) -> None:
        self._vectors = vectors
        self._guard = threading.Lock()
        self._reading: dict[str, threading.Lock] = {}
        self._known: OrderedDict[str, Sample] = OrderedDict()

    def of(self, live: Live) -> Sample:
        """The sample of an index; read and fitted if the index has changed.

        Raises:
            NotFound: the index was dropped.
        """
        with self._guard:
            lock = self._reading.setdefault(live.index, threading.Lock())
        with lock:  # concurrent requests wait for one reading
            generation = self._vectors.stats(live.index).generation
            found = self._known.get(live.index)
            if found is None or found.generation != generation:
                found = self._read(live.index, generation)
            with self._guard:
                self._known[live.index] = found
                self._known.move_to_end(live.index)
                while len(self._known) > KEPT:
                    self._reading.pop(self._known.popitem(last=False)[0], None)
            return found

    def _read(self, index: str, generation: int) -> Sample:
        labels = tuple(label for label, _ in self._vectors.facet(index, "labels", filter=TileFilter(), limit=MAX_CLASSES))
        tiles = list(self._labelled(index, labels)) if labels else []
        examples, embeddings = self._embeddings(index, tiles)
        others, other_rows = self._others(index)
        columns = {label: column for column, label in enumerate(labels)}
        targets = np.zeros((len(examples), len(labels)), np.bool_)
        for row, tile in enumerate(examples):
            targets[row, [columns[label] for label in tile.labels if label in columns]] = True
        classes = OpenSetClasses.fit(embeddings, targets, place_groups(examples), other_rows)
        return Sample(generation, labels, tuple(tile.id for tile in examples), classes, others, other_rows)

    def _labelled(self, index: str, labels: tuple[str, ...]) -> Iterator[Tile]:
        """At most `MAX_EXAMPLES` tiles with any of the labels."""
        after, count = None, 0
        while count < MAX_EXAMPLES:
            page = self._vectors.scroll(index, limit=PAGE, filter=TileFilter(labels=labels), after=after)
            yield from page.tiles[: MAX_EXAMPLES - count]
            count, after = count + len(page.tiles), page.after
            if after is None:
                return

    def _embeddings(self, index: str, tiles: Sequence[Tile]) -> tuple[list[Tile], NDArray[np.float32]]:
        """The tiles that still exist, and their embeddings."""
        kept: list[Tile] = []
        rows = [np.zeros((0, self._vectors.stats(index).dimension), np.float32)]
        for start in range(0, len(tiles), BATCH):
            part = list(tiles[start : start + BATCH])
            try:
                found = self._vectors.retrieve_vectors(index, [tile.id for tile in part])
            except NotFound:  # a tile has just been deleted
                there = self._vectors.retrieve(index, [tile.id for tile in part])
                part = [tile for tile in part if tile.id in there]
                found = self._vectors.retrieve_vectors(index, [tile.id for tile in part])
            kept += part
            rows.append(found.embedding)
        return kept, np.concatenate(rows)

    def _others(self, index: str) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        ids: list[str] = []
        rows = [np.zeros((0, self._vectors.stats(index).dimension), np.float32)]
        after: str | None = None
        while len(ids) < MAX_OTHERS:
            page = self._vectors.scroll_vectors(index, limit=PAGE, after=after)
            wanted = [row for row, tile in enumerate(page.tiles) if not tile.labels]
            ids += [page.tiles[row].id for row in wanted]
            rows.append(page.embeddings.embedding[wanted])
            after = page.after
            if after is None:
                break
        return tuple(ids[:MAX_OTHERS]), np.concatenate(rows)[:MAX_OTHERS]
