"""Replays of searches on two indexes: how long they take, and how many of the first results are equal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from app.domain.queries.search import TileFilter
from app.errors import InvalidInput, ModelMismatch
from app.imagery.pictures.resize import to_square
from app.ports import Inference, VectorStore
from app.services.reindex.judging.evaluation_queries import read_rows
from app.services.search.recent_queries import RecentQueries, RecentQuery
from app.services.search.rocchio import direction

TOP = 10
MAX_REPLAYED = 100
"""Maximum number of queries of each kind that are searched for."""
SLOWER, SLOWER_MS = 2.0, 5.0
"""A new index is slow if its median exceeds `SLOWER` times the old one plus `SLOWER_MS` milliseconds."""
ROUNDS = 3
"""Number of consecutive measurements that must be slow, because the machine may be busy for a moment."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two compared indexes, and its model."""

    index: str
    model: Inference


@dataclass(frozen=True, slots=True)
class Replayed:
    """Result of the replays. overlap, recent_overlap: share of common results among the first `TOP`, 0..1, of tiles and of
    recent queries. recent: number of recent queries. latency_ms: median time on the `old` and the `new` index.
    None without searches.
    """

    overlap: float | None
    recent_overlap: float | None
    recent: int
    latency_ms: dict[str, float] | None


@dataclass(slots=True)
class _Measured:
    """Measurements of searches: milliseconds on the old and the new index, and overlap of the first `TOP` results, 0..1."""

    old_ms: list[float] = field(default_factory=list)
    new_ms: list[float] = field(default_factory=list)
    overlaps: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Pair:
    """One query for both indexes. old, new: (D,) float32 directions. exclude: ids of tiles to leave out of the results."""

    old: NDArray[np.float32]
    new: NDArray[np.float32]
    exclude: tuple[str, ...]


class Replay:
    """Searches two indexes of a collection with tiles, and with the recent queries of users."""

    def __init__(self, vectors: VectorStore, recent: RecentQueries) -> None:
        self._vectors = vectors
        self._recent = recent

    def run(self, collection_id: str, old: Side, new: Side, ids: Sequence[str]) -> Replayed:
        """Replay searches for tiles and the recent queries; several times if the new index seems slow. ids: of the tiles."""
        kinds = self._items(ids[:MAX_REPLAYED], old, new), self._asked(collection_id, old, new)
        for _ in range(ROUNDS):
            measured, recent = (self._replay(old, new, pairs) for pairs in kinds)
            latency = _latency(measured, recent)
            if not is_slow(latency):
                break
        return Replayed(_mean(measured.overlaps), _mean(recent.overlaps), len(recent.overlaps), latency)

    def _items(self, ids: Sequence[str], old: Side, new: Side) -> list[_Pair]:
        ours, theirs = (read_rows(self._vectors, side.index, ids) for side in (old, new))
        return [_Pair(ours[item], theirs[item], (item,)) for item in ids if item in ours and item in theirs]

    def _asked(self, collection_id: str, old: Side, new: Side) -> list[_Pair]:
        """Recent queries that both sides can answer."""
        pairs: list[_Pair] = []
        for query in self._recent.of(collection_id)[:MAX_REPLAYED]:
            ours, theirs = self._direction(query, old), self._direction(query, new)
            if ours is not None and theirs is not None:
                pairs.append(_Pair(ours, theirs, (*query.positives, *query.negatives)))
        return pairs

    def _direction(self, query: RecentQuery, side: Side) -> NDArray[np.float32] | None:
        """(D,) direction of a query on one side; None if a tile is missing or the image does not fit the model."""
        ids = (*query.positives, *query.negatives)
        rows = read_rows(self._vectors, side.index, ids)
        if len(rows) < len(set(ids)):
            return None
        positives = [rows[item] for item in query.positives]
        try:
            if query.pixels is not None:
                tile = to_square(query.pixels, side.model.card.input_size)
                positives.append(side.model.embed(tile[np.newaxis]).embedding[0])
            negatives = np.array([rows[item] for item in query.negatives], np.float32).reshape(-1, side.model.card.dimension)
            return direction(np.stack(positives), negatives)
        except (InvalidInput, ModelMismatch):  # the examples cancel each other out, or the model takes other bands
            return None

    def _replay(self, old: Side, new: Side, pairs: Sequence[_Pair]) -> _Measured:
        """Search each query on both sides in alternating order; the first search on each side is not timed."""
        into = _Measured()
        for number, pair in enumerate([*pairs[:1], *pairs]):
            order = [(old.index, pair.old, into.old_ms), (new.index, pair.new, into.new_ms)]
            found: list[set[str]] = []
            for index, vector, spent in order if number % 2 else reversed(order):
                start = time.perf_counter()
                hits = self._vectors.search(index, vector, limit=TOP, filter=TileFilter(exclude_ids=pair.exclude))
                if number:
                    spent.append(1000 * (time.perf_counter() - start))
                found.append({hit.tile.id for hit in hits})
            if number and any(found):
                into.overlaps.append(len(found[0] & found[1]) / max(map(len, found)))
        return into


def is_slow(latency: dict[str, float] | None) -> TypeGuard[dict[str, float]]:
    """Whether the new index is too slow."""
    return latency is not None and latency["new"] > SLOWER * latency["old"] + SLOWER_MS


def _latency(*replays: _Measured) -> dict[str, float] | None:
    old = [ms for replay in replays for ms in replay.old_ms]
    new = [ms for replay in replays for ms in replay.new_ms]
    return {"old": round(float(np.median(old)), 3), "new": round(float(np.median(new)), 3)} if old else None


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None
