"""The gate: compares the old and the new index with the same queries; a new index that is worse is refused."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from app.domain.search import TileFilter
from app.errors import InvalidInput, ModelMismatch
from app.imagery.pictures.resize import to_square
from app.ports import Inference, VectorStore
from app.services.reindex.evaluation_queries import (
    EvaluationQueries,
    Rows,
    draw_evaluation_queries,
    mean_average_precision,
    read_rows,
)
from app.services.search.recent_queries import RecentQueries, RecentQuery
from app.services.search.rocchio import direction
from app.telemetry.metrics import GATE_VERDICTS

TOP = 10
MIN_QUERIES = 10
"""With fewer evaluation queries the mean average precision is not compared."""
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
class Verdict:
    """Result of the comparison. passed: whether to switch to the new index. reason: one line. numbers: all figures, as JSON."""

    passed: bool
    reason: str
    numbers: dict[str, Any]


@dataclass(slots=True)
class _Replay:
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


class Gate:
    """Compares indexes of one collection."""

    def __init__(self, vectors: VectorStore, recent: RecentQueries) -> None:
        self._vectors = vectors
        self._recent = recent

    def judge(self, collection_id: str, old: Side, new: Side, margin: float) -> Verdict:
        """Replay evaluation queries and recent queries on both. margin: accepted loss of mean average precision."""
        queries, rows = self._evaluation_queries(old.index, new.index)
        chosen = queries.ids[: min(queries.queries, MAX_REPLAYED)] or self._some(old.index)
        kinds = self._items(chosen, old, new), self._asked(collection_id, old, new)
        for _ in range(ROUNDS):
            measured, recent = (self._replay(old, new, pairs) for pairs in kinds)
            latency = _latency(measured, recent)
            if not _is_slow(latency):
                break
        numbers: dict[str, Any] = {
            "golden_queries": queries.queries,
            "map": _quality(queries, *rows) if queries.queries >= MIN_QUERIES else None,
            "margin": margin,
            "overlap_at_10": _mean(measured.overlaps),
            "recent_queries": len(recent.overlaps),
            "recent_overlap_at_10": _mean(recent.overlaps),
            "latency_ms": latency,
        }
        verdict = _verdict(numbers)
        GATE_VERDICTS.labels("passed" if verdict.passed else "refused").inc()
        return verdict

    def _evaluation_queries(self, old: str, new: str) -> tuple[EvaluationQueries, tuple[Rows, Rows]]:
        """Evaluation queries of the old index, of tiles in both indexes, with the embeddings of both."""
        queries = draw_evaluation_queries(self._vectors, old)
        rows = read_rows(self._vectors, old, queries.ids), read_rows(self._vectors, new, queries.ids)
        return queries.only(frozenset(rows[0]) & frozenset(rows[1])), rows

    def _some(self, index: str) -> tuple[str, ...]:
        """Any tiles, to measure the latency if no tile has a label."""
        return tuple(tile.id for tile in self._vectors.scroll(index, limit=MAX_REPLAYED // 2, filter=TileFilter()).tiles)

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

    def _replay(self, old: Side, new: Side, pairs: Sequence[_Pair]) -> _Replay:
        """Search each query on both sides in alternating order; the first search on each side is not timed."""
        into = _Replay()
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


def _verdict(numbers: dict[str, Any]) -> Verdict:
    quality, latency = numbers["map"], numbers["latency_ms"]
    if _is_slow(latency):
        slow = f"searches take {latency['new']:.1f} ms on the new index and {latency['old']:.1f} ms on the old one"
        return Verdict(False, f"{slow}; the limit is {SLOWER:g} times as long plus {SLOWER_MS:g} ms", numbers)
    if quality is None:
        few = numbers["golden_queries"]
        known = f"only {few} evaluation queries, {MIN_QUERIES} are needed" if few else "no evaluation queries"
        return Verdict(True, f"quality could not be compared: {known} (labelled tiles that training leaves out)", numbers)
    change = f"mean average precision {quality['old']:.4f} before, {quality['new']:.4f} now"
    if quality["new"] < quality["old"] - numbers["margin"]:
        return Verdict(False, f"{change}: the loss exceeds the margin of {numbers['margin']:g}", numbers)
    return Verdict(True, change, numbers)


def _quality(queries: EvaluationQueries, old: Rows, new: Rows) -> dict[str, float]:
    return _both(mean_average_precision(queries, old), mean_average_precision(queries, new))


def _latency(*replays: _Replay) -> dict[str, float] | None:
    old = [ms for replay in replays for ms in replay.old_ms]
    new = [ms for replay in replays for ms in replay.new_ms]
    return _both(float(np.median(old)), float(np.median(new)), 3) if old else None


def _is_slow(latency: dict[str, float] | None) -> TypeGuard[dict[str, float]]:
    return latency is not None and latency["new"] > SLOWER * latency["old"] + SLOWER_MS


def _both(old: float, new: float, digits: int = 4) -> dict[str, float]:
    return {"old": round(old, digits), "new": round(new, digits)}


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None
