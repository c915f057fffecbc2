"""Two-stage rankings: the first places by embedding, re-ranked by a matcher and by neighbourhoods."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.bundle.neighbourhood import neighbour_overlap
from models.bundle.ranking import Ranking
from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.ranking import CHUNK, Embeddings, Indices, Neighbours, Ranks, check_embeddings, ranked_chunks
from models.evaluation.metrics.relevance import Labels, relevance
from models.evaluation.metrics.retrieval import average_precision, average_precision_possible, nmrr, precision_at

WEIGHTS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.5, 1.0)
"""Weights of the matcher that are tried: cosine per unit of log-odds."""
NEIGHBOURS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Weights of the neighbourhood overlap that are tried."""
NO_LOSS = 0.0005
"""Loss of a measure that is tolerated: 0.05 points, far less than the effect of another choice of queries."""
FUSION = "cosine + weight * log_odds + neighbours * overlap"
"""The formula of the fused score, for cards."""
PairScorer = Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.floating[Any]]]
"""Takes (B,) rows of the queries and (B,) of the database, gives (B,) log-odds of a match."""
Scores = NDArray[np.floating[Any]]


class Weights(NamedTuple):
    """Weights of the terms of the fused score beside the cosine: the matcher's log-odds, and the neighbourhood overlap."""

    matcher: float = 0.0
    neighbours: float = 0.0

    def __str__(self) -> str:
        return f"{self.matcher:g}" if self.neighbours == 0 else f"{self.matcher:g} + {self.neighbours:g}"


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over queries, 0..1; 0 is the best ANMRR. map_at_depth: mAP of the re-ranked places only, over the relevant items
    that could be there; the mAP of the whole ranking hardly depends on them."""

    mean_average_precision: float
    anmrr: float
    precision_at_10: float
    precision_at_50: float
    map_at_depth: float


@dataclass(frozen=True, slots=True)
class RerankReport:
    """Quality of re-ranking by the weights of the fused score.

    queries: with a relevant item. depth: places re-ranked. before: the embedding alone. after: by weights.
    """

    queries: int
    depth: int
    before: Quality
    after: dict[Weights, Quality]

    def at(self, matcher: float, neighbours: float = 0.0) -> Quality:
        """Quality with measured weights; 0 and 0 are the embedding alone."""
        weights = Weights(matcher, neighbours)
        return self.before if weights == Weights() else self.after[weights]

    def gain(self, matcher: float, neighbours: float = 0.0) -> float:
        """Gain of mAP with these weights, -1..1."""
        return self.at(matcher, neighbours).mean_average_precision - self.before.mean_average_precision

    def first_page_gain(self, matcher: float, neighbours: float = 0.0) -> float:
        """Mean gain of P@10, P@50 and the mAP of the re-ranked places, -1..1. Weights are chosen by it."""
        after, before = self.at(matcher, neighbours), self.before
        gains = (
            after.precision_at_10 - before.precision_at_10,
            after.precision_at_50 - before.precision_at_50,
            after.map_at_depth - before.map_at_depth,
        )
        return sum(gains) / 3

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, whose keys are text."""
        after = {str(weights): asdict(quality) for weights, quality in self.after.items()}
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


def shortlist_overlaps(queries: Embeddings, database: Embeddings, shortlist: Neighbours) -> NDArray[np.float32]:
    """(Q, K) float32, 0..1: the neighbourhood overlap of every query with each of its neighbours, within its shortlist.

    queries: (Q, D), database: (N, D), L2-normalised. A query of 100 neighbours takes about a millisecond.
    """
    pairs = zip(queries, shortlist.indices, strict=True)
    found = [neighbour_overlap(query, database[rows]) for query, rows in pairs]
    return np.array(found, np.float32).reshape(shortlist.indices.shape)


def fuse(similarities: Scores, log_odds: Scores | None, weights: Weights, overlaps: Scores | None = None) -> Scores:
    """cosine + matcher * log-odds + neighbours * overlap. Any one shape.

    Log-odds instead of probabilities, because those of all clear matches are nearly 1 and would not rank them. The log-odds of
    a match given all terms have this form too (naive Bayes, or logistic regression).
    """
    return Ranking(weights.matcher, weights.neighbours).scores(similarities, log_odds, overlaps)


def two_stage(
    queries: Embeddings,
    query_labels: Labels,
    database: Embeddings,
    database_labels: Labels,
    shortlist: Neighbours,
    scores: Scores | None,
    *,
    overlaps: Scores | None = None,
    weights: Sequence[float | Weights] = WEIGHTS,
    own: Indices | None = None,
    chunk: int = CHUNK,
) -> RerankReport:
    """Measure full rankings whose first K places are re-ranked by the fused score; the rest keeps its order.

    queries, database, labels, own: as in `ranking.nearest` and `metrics.retrieval_metrics`. shortlist: of `nearest` for the
    same arrays. scores: (Q, K) log-odds of a match, as `score_shortlist` gives them, None without a matcher. overlaps: (Q, K),
    of `shortlist_overlaps`. weights: at least 0; a number is the weight of the matcher.

    Raises:
        EvaluationError: shapes do not fit, the shortlist is of other data, or no query has anything relevant to it.
    """
    check_embeddings(queries, database, own)
    for each in (shortlist.indices, scores, overlaps):
        if each is not None and (each.shape != shortlist.indices.shape or len(each) != len(queries)):
            raise EvaluationError(
                f"scores {each.shape}, shortlist {shortlist.indices.shape} and {len(queries)} queries do not fit"
            )
    tried = [each if isinstance(each, Weights) else Weights(each) for each in weights]
    if not all(0 <= weight < np.inf for each in tried for weight in each):
        raise EvaluationError(f"weights must be at least 0 and finite, not {list(weights)}")
    related = relevance(query_labels, database_labels, len(queries), len(database), own)
    measured: list[list[tuple[float, ...]]] = []
    for part in ranked_chunks(queries, database, own, chunk):
        for query, ranks in related.ranks(part):
            is_relevant = related.is_relevant(query, shortlist.indices[query])
            evidence = [None if each is None else each[query] for each in (scores, overlaps)]
            fused = (fuse(shortlist.similarities[query], evidence[0], each, evidence[1]) for each in (Weights(), *tried))
            orders = (np.argsort(-each, kind="stable") for each in fused)
            measured.append([_measure(_reordered(ranks, is_relevant[order]), len(is_relevant)) for order in orders])
    if not measured:
        raise EvaluationError("no query has a relevant item in the database; compare the two lists of labels")
    means = [Quality(*(float(value) for value in row)) for row in np.mean(measured, axis=0)]
    after = dict(zip(tried, means[1:], strict=True))
    return RerankReport(len(measured), shortlist.indices.shape[1], means[0], after)


def safe_weights(reports: Sequence[RerankReport], tolerance: float = 0.0) -> Weights:
    """The weights with the highest mean gain on the first page among those that lose on none of the reports; 0 if all lose.

    tolerance: loss (0..1) that is accepted.

    Pass reports on different kinds of held-out data, so that a matcher that is only good on its training classes gets weight 0.

    Raises:
        EvaluationError: the reports have no weights in common.
    """
    shared = [] if not reports else [w for w in reports[0].after if all(w in report.after for report in reports)]
    if not shared:
        raise EvaluationError("the reports have no weights in common")
    gains = {weights: [report.first_page_gain(*weights) for report in reports] for weights in sorted(shared)}
    return safest(gains, tolerance)


def safest(gains: Mapping[Weights, Sequence[float]], tolerance: float) -> Weights:
    """The weights with the highest mean gain among those without a loss above the tolerance; 0 if there are none.

    gains: -1..1, by kind of data.
    """
    safe = {weights: float(np.mean(each)) for weights, each in gains.items() if min(each) >= -tolerance}
    best = max(safe, key=lambda weights: safe[weights]) if safe else Weights()
    return best if safe and safe[best] >= 0 else Weights()


def _reordered(ranks: Ranks, is_relevant: NDArray[np.bool_]) -> Ranks:
    """ranks: (G,) before. is_relevant: (K,), the first places in their new order."""
    behind = ranks[ranks > len(is_relevant)]
    first = np.flatnonzero(is_relevant) + 1
    if len(first) + len(behind) != len(ranks):
        raise EvaluationError("the shortlist is not of these queries and this database; compute it with `nearest`")
    return np.concatenate([first, behind])


def _measure(ranks: Ranks, depth: int) -> tuple[float, ...]:
    return (
        average_precision(ranks),
        nmrr(ranks),
        precision_at(ranks, 10),
        precision_at(ranks, 50),
        average_precision_possible(ranks, depth),
    )
