"""Fit the fusion weight and the calibration of a matcher for a new head, on labelled tiles that the head was not trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.card import MatcherCard
from models.evaluation.learned_matcher import describe_calibration, describe_fusion, learned_fusion
from models.evaluation.metrics.calibration import ScoredPairs, fit_platt
from models.evaluation.metrics.relevance import LabelSets
from models.evaluation.metrics.rerank import NO_LOSS, WEIGHTS, RerankReport, safe_weight
from models.heads.evaluation.pair_scores import PairScorer, Ranked
from models.heads.progress import ProgressCallback, sub_progress

QUERIES = 240
"""Number of queries over all folds."""
FEWEST_PAIRS, FEWEST_QUERIES = 25, 20
"""Minimum numbers of matching pairs, of other pairs and of queries; with fewer, the base model's values are kept."""
NEAREST = 0.1
"""Minimum share of a fold's tiles that form pairs with a query."""


@dataclass(frozen=True, slots=True)
class Recalibration:
    """Fitted values. fusion, calibration: for the card; None to keep the base model's, for the reason in `note`. pairs: number
    of pairs used."""

    fusion: dict[str, Any] | None = None
    calibration: dict[str, Any] | None = None
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
    """Fit calibration and weight to the shortlists of each fold.

    The pairs are as similar as those of the collection's shortlists: among the first 100 of 100 000 tiles another share matches
    than among the first 100 of 200.

    places: (E,) of labelled tiles in the scorer's inputs. embeddings: (E, D), of each tile by the head that was trained without
    its fold. labels, folds: of these tiles. tiles: number in the collection.
    """
    base = learned_fusion(matcher)
    groups = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]
    groups = [rows for rows in groups if len(rows) > 1]
    ranked = []
    for number, rows in enumerate(groups):
        own = sub_progress(progress, 100 * number / len(groups), 100 * (number + 1) / len(groups))
        queries = QUERIES // len(groups)
        ranked.append(
            scorer.rank(
                places[rows], embeddings[rows], labels.take(rows), queries=queries, depth=base[1], seed=seed, progress=own
            )
        )
    return _learn(ranked, base, max(NEAREST, base[1] / tiles))


def _learn(ranked: Sequence[Ranked], base: tuple[float, int], nearest: float) -> Recalibration:
    """base: current weight and depth. nearest: share of a fold's tiles that form pairs with a query."""
    weight, depth = base
    parts = [each.pairs(math.ceil(nearest * len(each.embeddings))) for each in ranked]
    matches = np.concatenate([np.zeros(0, np.bool_), *(each.matches for each in parts)])
    weights = sorted({*WEIGHTS, weight})
    reports = [report for each in ranked if (report := each.reranked(weights)) is not None]
    fewest = min(int(matches.sum()), int((~matches).sum()))
    if fewest < FEWEST_PAIRS or sum(report.queries for report in reports) < FEWEST_QUERIES:
        return Recalibration(note=_too_few(reports, fewest))
    pairs = ScoredPairs(
        np.concatenate([each.logits for each in parts]),
        matches,
        np.concatenate([each.similarities for each in parts if each.similarities is not None]),
    )
    fusion = describe_fusion(choose_weight(reports, weight), depth)
    return Recalibration(fusion, describe_calibration(fit_platt(pairs)), len(matches))


def choose_weight(reports: Sequence[RerankReport], base: float) -> float:
    """The weight with the highest gain among those that lose on no report; the base weight unless another is clearly better."""
    best = safe_weight(reports, NO_LOSS)
    gains = {weight: [report.gain(weight) for report in reports] for weight in (best, base)}
    is_safe = min(gains[base]) >= -NO_LOSS
    return base if is_safe and np.mean(gains[best]) - np.mean(gains[base]) <= NO_LOSS else best


def _too_few(reports: Sequence[RerankReport], fewest: int) -> str:
    queries = sum(report.queries for report in reports)
    return (
        f"too few labelled tiles to recalibrate the matcher: {queries} tiles share a label with another ({FEWEST_QUERIES} "
        f"needed), and there are {fewest} pairs of the rarer kind ({FEWEST_PAIRS} needed); the base model's probabilities and "
        "weight are kept"
    )
