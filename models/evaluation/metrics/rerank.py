"""Two-stage rankings: the embedding's first places, put into a new order by a matcher that looks at each pair."""

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
"""Weights of the matcher that are tried: what one unit of log-odds is worth in cosine."""
FUSION = "cosine + weight * log_odds"
"""The fused score, as a card says it."""
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
    """What re-ranking changed, by the matcher's weight.

    queries: those to which something is relevant. depth: places re-ordered. before: the embedding alone. after: by weight.
    """

    queries: int
    depth: int
    before: Quality
    after: dict[float, Quality]

    def at(self, weight: float) -> Quality:
        """With a weight that was measured; 0 is the embedding alone."""
        return self.before if weight == 0 else self.after[weight]

    def gain(self, weight: float) -> float:
        """What the weight added to mAP, -1..1."""
        return self.at(weight).mean_average_precision - self.before.mean_average_precision

    @property
    def best_weight(self) -> float:
        """The weight with the highest mAP, 0 if all lose. To be chosen on other images than it is judged on."""
        return safe_weight([self])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, whose keys are text."""
        after = {f"{weight:g}": asdict(quality) for weight, quality in self.after.items()}
        return {"queries": self.queries, "depth": self.depth, "before": asdict(self.before), "after": after}


def score_shortlist(shortlist: Neighbours, score: PairScorer, *, batch: int = 4096) -> NDArray[np.float32]:
    """(Q, K) float32, the score of every query with each of its neighbours; `batch` pairs at a time, a query's own together.

    Raises:
        EvaluationError: a score is not finite, or there are more or fewer than pairs.
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

    Log-odds and not probabilities: those of a clear match and of a very clear one are both nearly 1, and a ranking would lose
    what tells them apart. Of this form is also the log-odds of a match given both (naive Bayes, or logistic regression).
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
    """Measure full rankings whose first K places are put in the order of the fused score; the rest stays behind as it is.

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
    """The weight with the highest mean gain of those that lose on none of the reports; 0, which changes nothing, if all lose.

    tolerance: how much mAP (0..1) counts as no loss.

    Give it held-out data of different kinds: a matcher that only knows its training classes then gets no say.

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
        raise EvaluationError("the shortlist is not of these queries and this database; make it with `nearest`")
    return np.concatenate([first, behind])


def _measure(ranks: Ranks) -> tuple[float, float, float]:
    return average_precision(ranks), nmrr(ranks), precision_at(ranks, 10)
