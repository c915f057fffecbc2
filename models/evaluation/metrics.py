"""Retrieval metrics of rankings by cosine similarity.

A query's *ranks* are the 1-based positions, ascending, of all G items that are relevant to it in the full ranking of the
database: (G,) int, G >= 1. Every measure of one query is a function of them. Equations are those of the residual-dyad paper.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

RECALL_LEVELS = 101
"""Points of the precision-recall curve: recall 0, 0.01, ... 1."""
NEIGHBOURS = 10
"""K of the kNN accuracy."""

Ranks = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """Means over queries, all in 0..1.

    queries: all queries. without_match: those to which nothing is relevant; only `knn_accuracy` counts them (as wrong).
    database: items ranked for each query.
    mean_average_precision: mAP, eq. 13; map_at_r: the same cut at each query's G, with precision counted only there.
    anmrr: eq. 18, 0 is perfect.
    precision_at: P@k by k; a k beyond the database is left out.
    precision_recall: interpolated precision at recall 0, 0.01, ... 1.
    class_average_precision: mAP over the queries of each label.
    knn_accuracy: queries whose label is that of most of their 10 nearest items.
    """

    queries: int
    without_match: int
    database: int
    mean_average_precision: float
    map_at_r: float
    anmrr: float
    precision_at: dict[int, float]
    precision_recall: list[float]
    class_average_precision: dict[str, float]
    knn_accuracy: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, whose keys are text."""
        fields = asdict(self)
        fields["precision_at"] = {str(k): value for k, value in self.precision_at.items()}
        return fields


def average_precision(ranks: Ranks) -> float:
    """AP, eq. 14: the mean, over the relevant items, of the precision at their ranks."""
    return float(np.mean(np.arange(1, len(ranks) + 1) / ranks))


def average_precision_at_r(ranks: Ranks) -> float:
    """AP over the first G places only (Musgrave et al. 2020): items behind them count as precision 0."""
    total = len(ranks)
    within = ranks[ranks <= total]
    return float(np.sum(np.arange(1, len(within) + 1) / within) / total)


def nmrr(ranks: Ranks) -> float:
    """Normalised modified retrieval rank, eq. 15 to 17, 0 (perfect) to 1: ranks behind K = 2 G count as 1.25 K."""
    total = len(ranks)
    limit = 2 * total
    penalised = np.where(ranks <= limit, ranks, 1.25 * limit)
    best = 0.5 * (1 + total)
    return float((penalised.mean() - best) / (1.25 * limit - best))


def precision_at(ranks: Ranks, k: int) -> float:
    """P@k: the share of the first k places that relevant items hold."""
    return float(np.count_nonzero(ranks <= k) / k)


def interpolated_precision(ranks: Ranks) -> NDArray[np.float64]:
    """(101,): the best precision at any recall of at least 0, 0.01, ... 1."""
    total = len(ranks)
    precision = np.arange(1, total + 1) / ranks
    best_from = np.maximum.accumulate(precision[::-1])[::-1]
    # How many items recall i % needs, in whole numbers: 0.29 * 100 is not 29 in floating point.
    needed = -(-np.arange(RECALL_LEVELS) * total // (RECALL_LEVELS - 1))
    return np.asarray(best_from[np.maximum(needed, 1) - 1], dtype=np.float64)


def majority(neighbours: NDArray[np.intp], classes: int) -> NDArray[np.intp]:
    """The most frequent class of each row of (Q, K) class numbers, nearest first; of equal ones that with the nearest item."""
    rows = np.arange(len(neighbours))[:, np.newaxis]
    votes = np.zeros((len(neighbours), classes), dtype=np.intp)
    np.add.at(votes, (rows, neighbours), 1)
    winner = votes[rows, neighbours].argmax(axis=1)  # argmax takes the first, which is the nearest
    return np.asarray(neighbours[rows[:, 0], winner])


def retrieval_metrics(
    queries: NDArray[np.floating[Any]],
    query_labels: ArrayLike,
    database: NDArray[np.floating[Any]],
    database_labels: ArrayLike,
    *,
    exclude_self: bool,
    ks: Sequence[int] = (5, 10, 50, 100, 1000),
    chunk: int = 128,
) -> RetrievalReport:
    """Rank the whole database for every query and measure the rankings. Equal similarities rank by index.

    queries: (Q, D), database: (N, D), both L2-normalised. Labels: Q and N texts or integers; equal ones are relevant.
    exclude_self: queries are the database, row by row, and no item is in its own ranking.
    chunk: queries ranked at once; memory grows as chunk x N, never as Q x N.

    Raises:
        ValueError: shapes do not fit, a value is not finite, or no query has anything relevant to it.
    """
    _check(queries, database, exclude_self)
    names, wanted, stored = _classes(query_labels, database_labels, len(queries), len(database))
    ranked = len(database) - exclude_self
    ks = [k for k in ks if k <= ranked]
    precision = np.full(len(queries), np.nan)
    sums = np.zeros(2 + len(ks))
    curve = np.zeros(RECALL_LEVELS)
    correct = 0
    for start, order in _rankings(queries, database, exclude_self, chunk):
        labels = wanted[start : start + len(order)]
        found = stored[order]  # (chunk, N) class numbers, nearest first
        correct += int(np.sum(majority(found[:, :NEIGHBOURS], len(names)) == labels))
        for row, relevance in enumerate(found == labels[:, np.newaxis], start):
            ranks = np.flatnonzero(relevance) + 1
            if len(ranks) == 0:
                continue
            precision[row] = average_precision(ranks)
            sums += [average_precision_at_r(ranks), nmrr(ranks), *(precision_at(ranks, k) for k in ks)]
            curve += interpolated_precision(ranks)
    matched = ~np.isnan(precision)
    count = int(np.sum(matched))
    if count == 0:
        raise ValueError("no query has a relevant item in the database; compare the two lists of labels")
    means = sums / count
    return RetrievalReport(
        queries=len(queries),
        without_match=len(queries) - count,
        database=ranked,
        mean_average_precision=float(precision[matched].mean()),
        map_at_r=float(means[0]),
        anmrr=float(means[1]),
        precision_at={k: float(mean) for k, mean in zip(ks, means[2:], strict=True)},
        precision_recall=[float(value) for value in curve / count],
        class_average_precision={
            str(names[label]): float(precision[matched & (wanted == label)].mean()) for label in np.unique(wanted[matched])
        },
        knn_accuracy=correct / len(queries),
    )


def _check(queries: NDArray[np.floating[Any]], database: NDArray[np.floating[Any]], exclude_self: bool) -> None:
    if queries.ndim != 2 or database.ndim != 2 or queries.shape[1] != database.shape[1]:
        raise ValueError(f"queries {queries.shape} and database {database.shape} must be (Q, D) and (N, D)")
    if exclude_self and len(queries) != len(database):
        raise ValueError(f"exclude_self: {len(queries)} queries cannot be the {len(database)} items of the database")
    if len(queries) == 0 or len(database) - exclude_self < 1:
        raise ValueError("there must be a query, and an item to rank for it")
    if not (np.isfinite(queries).all() and np.isfinite(database).all()):
        raise ValueError("embeddings must be finite")


def _classes(
    query_labels: ArrayLike, database_labels: ArrayLike, queries: int, items: int
) -> tuple[NDArray[Any], NDArray[np.intp], NDArray[np.intp]]:
    """All labels, sorted, and the numbers of each query's and each item's among them."""
    wanted, stored = np.asarray(query_labels), np.asarray(database_labels)
    if wanted.shape != (queries,) or stored.shape != (items,):
        raise ValueError(f"labels of shape {wanted.shape} and {stored.shape} for {queries} queries and {items} items")
    names, numbers = np.unique(np.concatenate([wanted, stored]), return_inverse=True)
    return names, numbers[:queries], numbers[queries:]


def _rankings(
    queries: NDArray[np.floating[Any]], database: NDArray[np.floating[Any]], exclude_self: bool, chunk: int
) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """First query of each chunk, and (chunk, N) indexes of the database, most similar first."""
    transposed = database.T
    for start in range(0, len(queries), chunk):
        distance = -(queries[start : start + chunk] @ transposed)
        if exclude_self:
            rows = np.arange(len(distance))
            distance[rows, start + rows] = np.inf  # sorted last, then cut off
        order = np.argsort(distance, axis=1, kind="stable")
        yield start, order[:, :-1] if exclude_self else order
