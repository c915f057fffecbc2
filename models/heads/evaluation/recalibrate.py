"""Fit the fused score and its calibration for a new head, on labelled tiles that the head was not trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.card import MatcherCard
from models.bundle.ranking import Ranking, matcher_ranking
from models.evaluation.learned_matcher import describe_calibration, describe_fusion, describe_ranking, learned_weights
from models.evaluation.metrics.calibration import ScoredPairs, fit_platt
from models.evaluation.metrics.relevance import LabelSets
from models.evaluation.metrics.rerank import NO_LOSS, RerankReport, Weights, safe_weights
from models.evaluation.metrics.shortlists import RankedShortlists, weight_grid
from models.heads.evaluation.pair_scores import PairScorer, rank_tiles, reranked
from models.heads.progress import ProgressCallback, sub_progress

QUERIES = 240
"""Number of queries over all folds."""
FEWEST_PAIRS, FEWEST_QUERIES = 25, 20
"""Minimum numbers of matching pairs, of other pairs and of queries; with fewer, the base model's values are kept."""
NEAREST = 0.1
"""Minimum share of a fold's tiles that form pairs with a query."""


@dataclass(frozen=True, slots=True)
class Recalibration:
    """Fitted values. fusion, calibration: of the matcher; ranking: without one. None to keep the base model's, for the reason
    in `note`. pairs: number of pairs used."""

    fusion: dict[str, Any] | None = None
    calibration: dict[str, Any] | None = None
    ranking: dict[str, Any] | None = None
    pairs: int = 0
    note: str = ""


def recalibrate(
    scorer: PairScorer,
    matcher: MatcherCard,
    places: NDArray[np.intp],
    embeddings: NDArray[np.float32],
    labels: LabelSets,
    folds: NDArray[np.intp],
    tiles: int,
    seed: int,
    progress: ProgressCallback,
) -> Recalibration:
    """Fit weights and calibration to the shortlists of each fold.

    The pairs are as similar as those of the collection's shortlists: among the first 100 of 100 000 tiles another share matches
    than among the first 100 of 200.

    places: (E,) of labelled tiles in the scorer's inputs. embeddings: (E, D), of each tile by the head that was trained without
    its fold. labels, folds: of these tiles. tiles: number in the collection.
    """
    base = matcher_ranking(matcher)
    groups, ranked = _groups(folds), []
    for number, rows in enumerate(groups):
        own = sub_progress(progress, 100 * number / len(groups), 100 * (number + 1) / len(groups))
        queries = QUERIES // len(groups)
        ranked.append(
            scorer.rank(
                places[rows], embeddings[rows], labels.take(rows), queries=queries, depth=base.depth, seed=seed, progress=own
            )
        )
    return _learn(ranked, base, max(NEAREST, base.depth / tiles))


def recalibrate_embedding(
    base: Ranking, embeddings: NDArray[np.float32], labels: LabelSets, folds: NDArray[np.intp], tiles: int, seed: int
) -> Recalibration:
    """`recalibrate` for a model without a matcher, whose ranking is `base`."""
    groups = _groups(folds)
    ranked = [
        rank_tiles(embeddings[rows], labels.take(rows), queries=QUERIES // len(groups), depth=base.depth, seed=seed)
        for rows in groups
    ]
    return _learn(ranked, base, max(NEAREST, base.depth / tiles))


def _groups(folds: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """The rows of each fold of at least two tiles."""
    groups = (np.flatnonzero(folds == fold) for fold in np.unique(folds))
    return [rows for rows in groups if len(rows) > 1]


def _learn(ranked: Sequence[RankedShortlists], base: Ranking, nearest: float) -> Recalibration:
    """base: of the base model. nearest: share of a fold's tiles that form pairs with a query."""
    own, has_matcher = learned_weights(base), any(each.log_odds is not None for each in ranked)
    grid = weight_grid(has_matcher=has_matcher, also=own)
    reports = [report for each in ranked if (report := reranked(each, grid)) is not None]
    matches = _pairs(ranked, own, nearest).matches
    fewest = min(int(matches.sum()), int((~matches).sum()))
    if fewest < FEWEST_PAIRS or sum(report.queries for report in reports) < FEWEST_QUERIES:
        return Recalibration(note=_too_few(reports, fewest))
    weights = choose_weights(reports, own)
    platt = fit_platt(_pairs(ranked, weights, nearest))
    if has_matcher:
        return Recalibration(describe_fusion(weights, base.depth), describe_calibration(platt), pairs=len(matches))
    cosine = fit_platt(_pairs(ranked, Weights(), nearest))
    return Recalibration(ranking=describe_ranking(weights.neighbours, base.depth, platt, cosine), pairs=len(matches))


def _pairs(ranked: Sequence[RankedShortlists], weights: Weights, nearest: float) -> ScoredPairs:
    """The fused scores of every query with the nearest tiles of its fold."""
    parts = [each.pairs(weights, math.ceil(nearest * len(each.database))) for each in ranked]
    scores = np.concatenate([np.zeros(0), *(each.logits for each in parts)])
    return ScoredPairs(scores, np.concatenate([np.zeros(0, np.bool_), *(each.matches for each in parts)]))


def choose_weights(reports: Sequence[RerankReport], base: Weights) -> Weights:
    """The weights with the highest gain among those that lose on no report; the base weights unless others are clearly
    better."""
    best = safe_weights(reports, NO_LOSS)
    gains = {weights: [report.first_page_gain(*weights) for report in reports] for weights in (best, base)}
    is_safe = min(gains[base]) >= -NO_LOSS
    return base if is_safe and np.mean(gains[best]) - np.mean(gains[base]) <= NO_LOSS else best


def _too_few(reports: Sequence[RerankReport], fewest: int) -> str:
    queries = sum(report.queries for report in reports)
    return (
        f"too few labelled tiles to recalibrate the matcher: {queries} tiles share a label with another ({FEWEST_QUERIES} "
        f"needed), and there are {fewest} pairs of the rarer kind ({FEWEST_PAIRS} needed); the base model's probabilities and "
        "weight are kept"
    )
