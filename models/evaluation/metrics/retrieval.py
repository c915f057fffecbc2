"""Retrieval metrics of rankings by cosine similarity.

A query's *ranks* are the 1-based positions, ascending, of all G items that are relevant to it in the full ranking of the
database: (G,) int, G >= 1. Every measure of one query is a function of them. Equations are those of the residual-dyad paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.ranking import (
    CHUNK,
    Embeddings,
    Indices,
    RankedChunk,
    Ranks,
    check_embeddings,
    first_places,
    ranked_chunks,
    scored_chunks,
)
from models.evaluation.metrics.relevance import Labels, Relevance, relevance

RECALL_LEVELS = 101
"""Points of the precision-recall curve: recall 0, 0.01, ... 1."""
NEIGHBOURS = 10
"""K of the k-NN accuracy."""
DEPTH = 20
"""R of MAP@R in HR-S2DML."""


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """Means over queries, all in 0..1.

    queries: all queries. without_match: those without a relevant item; only `knn_accuracy` counts them (as wrong).
    database: items ranked for each query.
    mean_average_precision: mAP, eq. 13; map_at_r: the same cut at each query's G, with precision counted only there.
    map_at_20: the same cut at rank 20, over the relevant items found there. Eq. 10 of HR-S2DML divides by all relevant items
    instead, but with 44 to 84 of them per class in its database its own 97.62 % would be impossible.
    map_at_20_strict: divided by the number of possible items, min(G, 20): missing items lower it too.
    anmrr: eq. 18, 0 is perfect.
    precision_at: P@k by k; k above the size of the database are left out.
    precision_recall: interpolated precision at recall 0, 0.01, ... 1.
    class_average_precision: mAP over the queries of each label.
    knn_accuracy: share of queries whose label is the majority of their 10 nearest items.
    """

    queries: int
    without_match: int
    database: int
    mean_average_precision: float
    map_at_r: float
    map_at_20: float
    map_at_20_strict: float
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
    """AP over the first G places only (Musgrave et al. 2020): items below count as precision 0."""
    total = len(ranks)
    within = ranks[ranks <= total]
    return float(np.sum(np.arange(1, len(within) + 1) / within) / total)


def average_precision_found(ranks: Ranks, depth: int) -> float:
    """AP of the first `depth` places, over the relevant items among them; 0 if there are none."""
    within = ranks[ranks <= depth]
    return float(np.mean(np.arange(1, len(within) + 1) / within)) if len(within) else 0.0


def average_precision_possible(ranks: Ranks, depth: int) -> float:
    """AP of the first `depth` places, over the min(G, depth) possible relevant items."""
    within = ranks[ranks <= depth]
    return float(np.sum(np.arange(1, len(within) + 1) / within) / min(len(ranks), depth))


def nmrr(ranks: Ranks) -> float:
    """Normalised modified retrieval rank, eq. 15 to 17, 0 (perfect) to 1: ranks above K = 2 G count as 1.25 K."""
    total = len(ranks)
    limit = 2 * total
    penalised = np.where(ranks <= limit, ranks, 1.25 * limit)
    best = 0.5 * (1 + total)
    return float((penalised.mean() - best) / (1.25 * limit - best))


def precision_at(ranks: Ranks, k: int) -> float:
    """P@k: the share of relevant items among the first k places."""
    return float(np.count_nonzero(ranks <= k) / k)


def interpolated_precision(ranks: Ranks) -> NDArray[np.float64]:
    """(101,): the maximum precision at any recall of at least 0, 0.01, ... 1."""
    total = len(ranks)
    precision = np.arange(1, total + 1) / ranks
    best_from = np.maximum.accumulate(precision[::-1])[::-1]
    # How many items recall i % needs, in whole numbers: 0.29 * 100 is not 29 in floating point.
    needed = -(-np.arange(RECALL_LEVELS) * total // (RECALL_LEVELS - 1))
    return np.asarray(best_from[np.maximum(needed, 1) - 1], dtype=np.float64)


def majority(neighbours: NDArray[np.intp], classes: int) -> NDArray[np.intp]:
    """The most frequent class of each row of (Q, K) class numbers, nearest first; ties go to the nearest item's class."""
    rows = np.arange(len(neighbours))[:, np.newaxis]
    votes = np.zeros((len(neighbours), classes), dtype=np.intp)
    np.add.at(votes, (rows, neighbours), 1)
    winner = votes[rows, neighbours].argmax(axis=1)  # argmax takes the first, which is the nearest
    return np.asarray(neighbours[rows[:, 0], winner])


def retrieval_metrics(
    queries: Embeddings,
    query_labels: Labels,
    database: Embeddings,
    database_labels: Labels,
    *,
    exclude_self: bool,
    own: Indices | None = None,
    ks: Sequence[int] = (5, 10, 50, 100, 1000),
    chunk: int = CHUNK,
) -> RetrievalReport:
    """Rank the whole database for every query and measure the rankings. Equal similarities rank by index.

    queries: (Q, D), database: (N, D), both L2-normalised. Labels: Q and N texts or integers; items with an equal label
    are relevant. With `LabelSets`, items that share a label are; a query counts for each of its labels in
    `class_average_precision`.
    exclude_self: every query is in the database too, and not in its own ranking: as row `own[i]`, (Q,); without `own` the
    queries are the database, row by row.
    chunk: queries ranked at once; memory grows as chunk x N, never as Q x N.

    Raises:
        EvaluationError: shapes do not fit, a value is not finite, or no query has a relevant item.
    """
    own = _own_rows(len(queries), len(database), exclude_self, own)
    check_embeddings(queries, database, own)
    related = relevance(query_labels, database_labels, len(queries), len(database), own)
    return _report(ranked_chunks(queries, database, own, chunk), related, len(database) - exclude_self, ks)


def score_metrics(
    scores: NDArray[np.floating[Any]],
    query_labels: Labels,
    database_labels: Labels,
    *,
    own: Indices | None = None,
    ks: Sequence[int] = (5, 10, 50, 100, 1000),
    chunk: int = CHUNK,
) -> RetrievalReport:
    """Measure rankings by any score, for instance a matcher's, highest first. Equal scores rank by index.

    scores: (Q, N), of every query with every item of the database. own: (Q,), the item that each query is, which is left out
    of its ranking; None: no query is in the database. The other arguments are those of `retrieval_metrics`.

    Raises:
        EvaluationError: shapes do not fit, a score is not finite, or no query has a relevant item.
    """
    if scores.ndim != 2 or not np.isfinite(scores).all():
        raise EvaluationError(f"scores of shape {scores.shape}: finite ones of shape (Q, N) are needed")
    related = relevance(query_labels, database_labels, scores.shape[0], scores.shape[1], own)
    return _report(scored_chunks(scores, own, chunk), related, scores.shape[1] - (own is not None), ks)


def _report(chunks: Iterable[RankedChunk], related: Relevance, ranked: int, ks: Sequence[int]) -> RetrievalReport:
    """Measure rankings of `ranked` items each, of all queries in their order."""
    queries = related.queries
    ks = [k for k in ks if k <= ranked]
    measures = np.full((queries, 5 + len(ks)), np.nan)
    curve = np.zeros(RECALL_LEVELS)
    correct = 0
    for each in chunks:
        correct += _correct_votes(each, related, min(NEIGHBOURS, ranked))
        for query, ranks in related.ranks(each):
            measures[query] = _measure(ranks, ks)
            curve += interpolated_precision(ranks)
    matched = ~np.isnan(measures[:, 0])
    if not matched.any():
        raise EvaluationError("no query has a relevant item in the database; compare the two lists of labels")
    means = [float(mean) for mean in measures[matched].mean(axis=0)]
    return RetrievalReport(
        queries=queries,
        without_match=int(np.sum(~matched)),
        database=ranked,
        mean_average_precision=means[0],
        map_at_r=means[1],
        map_at_20=means[2],
        map_at_20_strict=means[3],
        anmrr=means[4],
        precision_at=dict(zip(ks, means[5:], strict=True)),
        precision_recall=[float(value) for value in curve / np.sum(matched)],
        class_average_precision=related.by_label(measures[:, 0]),
        knn_accuracy=correct / queries,
    )


def _measure(ranks: Ranks, ks: Sequence[int]) -> list[float]:
    return [
        average_precision(ranks),
        average_precision_at_r(ranks),
        average_precision_found(ranks, DEPTH),
        average_precision_possible(ranks, DEPTH),
        nmrr(ranks),
        *(precision_at(ranks, k) for k in ks),
    ]


def _correct_votes(chunk: RankedChunk, related: Relevance, count: int) -> int:
    """Number of queries of the chunk whose label is the majority of their `count` nearest items."""
    bounds = chunk.ordered[:, count - 1]
    places = np.stack([first_places(row, bound, count) for row, bound in zip(chunk.distances, bounds, strict=True)])
    return related.votes_right(chunk.start, places)


def _own_rows(queries: int, items: int, exclude_self: bool, own: Indices | None) -> Indices | None:
    if not exclude_self:
        if own is not None:
            raise EvaluationError("own is only valid with exclude_self")
        return None
    if own is None and queries != items:
        raise EvaluationError(
            f"exclude_self: the {queries} queries are not the {items} items of the database; pass their rows as own"
        )
    return np.arange(queries) if own is None else own
