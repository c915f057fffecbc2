"""Two-stage rankings: the first places by embedding, re-ranked by a matcher that scores each pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.ranking import CHUNK, Embeddings, Indices, Neighbours, Ranks, check_embeddings, ranked_chunks
from models.evaluation.metrics.relevance import Labels, relevance
from models.evaluation.metrics.retrieval import average_precision, nmrr, precision_at

WEIGHTS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.5, 1.0)
"""Weights of the matcher that are tried: cosine per unit of log-odds."""
NO_LOSS = 0.0005
"""Loss of mAP that is tolerated: 0.05 points, far less than the effect of another choice of queries."""
FUSION = "cosine + weight * log_odds"
"""The formula of the fused score, for cards."""
PairScorer = Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.floating[Any]]]
"""Takes (B,) rows of the queries and (B,) of the database, gives (B,) log-odds of a match."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over queries, 0..1; 0 is the best ANMRR."""

    mean_average_precision: float
    anmrr: float
    precision_at_10: float


@dataclass(frozen=True, slots=True)
class RerankReport:
    """Quality of re-ranking by the matcher's weight.

    queries: with a relevant item. depth: places re-ranked. before: the embedding alone. after: by weight.
    """

    queries: int
    depth: int
    before: Quality
    after: dict[float, Quality]

    def at(self, weight: float) -> Quality:
        """Quality with a measured weight; 0 is the embedding alone."""
        return self.before if weight == 0 else self.after[weight]

    def gain(self, weight: float) -> float:
        """Gain of mAP with a weight, -1..1."""
        return self.at(weight).mean_average_precision - self.before.mean_average_precision

    @property
    def best_weight(self) -> float:
        """The weight with the highest mAP, 0 if all lose. Choose it on other images than those of the evaluation."""
        return safe_weight([self])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, whose keys are text."""
        after = {f"{weight:g}": asdict(quality) for weight, quality in self.after.items()}
        return {"queries": self.queries, "depth": self.depth, "before": asdict(self.before), "after": after}


def score_shortlist(shortlist: Neighbours, score: PairScorer, *, batch: int = 4096) -> NDArray[np.float32]:
    """(Q, K) float32, the score of every query with each of its neighbours; `batch` pairs at a time, a query's own together.

    Raises:
        EvaluationError: a score is not finite, or the number of scores differs from that of pairs.
    """
    queries = np.repeat(np.arange(len(shortlist.indices)), shortlist.indices.shape[1])
    items = shortlist.indices.ravel()
    scores = np.empty(len(items), dtype=np.float32)
    for start in range(0, len(items), batch):
        part = slice(start, start + batch)
        found = np.asarray(score(queries[part], items[part]))
        if found.shape != items[part].shape or not np.isfinite(found).all():
            raise EvaluationError(f"the matcher gave scores of shape {found.shape} for {len(items[part])} pairs, or not finite")
        scores[part] = found
    return scores.reshape(shortlist.indices.shape)


def fuse(
    similarities: NDArray[np.floating[Any]], log_odds: NDArray[np.floating[Any]], weight: float
) -> NDArray[np.floating[Any]]:
    """cosine + weight log-odds; 0 is the embedding's order. Any one shape.

    Log-odds instead of probabilities, because those of all clear matches are nearly 1 and would not rank them. The log-odds of
    a match given both scores have this form too (naive Bayes, or logistic regression).
    """
    return similarities + weight * log_odds


def two_stage(
    queries: Embeddings,
    query_labels: Labels,
    database: Embeddings,
    database_labels: Labels,
    shortlist: Neighbours,
    scores: NDArray[np.floating[Any]],
    *,
    weights: Sequence[float] = WEIGHTS,
    own: Indices | None = None,
    chunk: int = CHUNK,
) -> RerankReport:
    """Measure full rankings whose first K places are re-ranked by the fused score; the rest keeps its order.

    queries, database, labels, own: as in `ranking.nearest` and `metrics.retrieval_metrics`. shortlist: of `nearest` for the
    same arrays. scores: (Q, K) log-odds of a match, as `score_shortlist` gives them. weights: at least 0.

    Raises:
        EvaluationError: shapes do not fit, the shortlist is of other data, or no query has anything relevant to it.
    """
    check_embeddings(queries, database, own)
    if scores.shape != shortlist.indices.shape or len(scores) != len(queries):
        raise EvaluationError(
            f"scores {scores.shape}, shortlist {shortlist.indices.shape} and {len(queries)} queries do not fit"
        )
    if not all(0 <= weight < np.inf for weight in weights):
        raise EvaluationError(f"weights must be at least 0 and finite, not {list(weights)}")
    related = relevance(query_labels, database_labels, len(queries), len(database), own)
    tried = (0.0, *weights)  # the embedding alone first
    measured: list[list[tuple[float, float, float]]] = []
    for each in ranked_chunks(queries, database, own, chunk):
        for query, ranks in related.ranks(each):
            is_relevant = related.is_relevant(query, shortlist.indices[query])
            orders = (np.argsort(-fuse(shortlist.similarities[query], scores[query], w), kind="stable") for w in tried)
            measured.append([_measure(_reordered(ranks, is_relevant[order])) for order in orders])
    if not measured:
        raise EvaluationError("no query has a relevant item in the database; compare the two lists of labels")
    means = [Quality(*(float(value) for value in row)) for row in np.mean(measured, axis=0)]
    after = dict(zip(weights, means[1:], strict=True))
    return RerankReport(len(measured), scores.shape[1], means[0], after)


def safe_weight(reports: Sequence[RerankReport], tolerance: float = 0.0) -> float:
    """The weight with the highest mean gain among those that lose on none of the reports; 0 (no re-ranking) if all lose.

    tolerance: loss of mAP (0..1) that is accepted.

    Pass reports on different kinds of held-out data, so that a matcher that is only good on its training classes gets weight 0.

    Raises:
        EvaluationError: the reports have no weight in common.
    """
    shared = [] if not reports else [w for w in reports[0].after if all(w in report.after for report in reports)]
    if not shared:
        raise EvaluationError("the reports have no weight in common")
    gains = {weight: [report.gain(weight) for report in reports] for weight in sorted(shared)}
    safe = {weight: float(np.mean(each)) for weight, each in gains.items() if min(each) >= -tolerance}
    return max(safe, key=lambda weight: safe[weight]) if safe else 0.0


def _reordered(ranks: Ranks, is_relevant: NDArray[np.bool_]) -> Ranks:
    """ranks: (G,) before. is_relevant: (K,), the first places in their new order."""
    behind = ranks[ranks > len(is_relevant)]
    first = np.flatnonzero(is_relevant) + 1
    if len(first) + len(behind) != len(ranks):
        raise EvaluationError("the shortlist is not of these queries and this database; compute it with `nearest`")
    return np.concatenate([first, behind])


def _measure(ranks: Ranks) -> tuple[float, float, float]:
    return average_precision(ranks), nmrr(ranks), precision_at(ranks, 10)
