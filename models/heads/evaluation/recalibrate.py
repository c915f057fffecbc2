"""How a matcher and a new head rank together, and which pairs match: learned on labelled tiles unseen by the head."""

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
from models.evaluation.metrics.rerank import WEIGHTS, RerankReport, safe_weight
from models.heads.evaluation.pair_scores import PairScorer, Ranked
from models.heads.progress import ProgressCallback, sub_progress

QUERIES = 240
"""Labelled tiles that ask, of all folds together."""
FEWEST_PAIRS, FEWEST_QUERIES = 25, 20
"""Pairs of each kind, and queries, below which the base's own stay: three numbers are fitted to them."""
NO_LOSS = 0.0005
"""Of mAP: what counts as no loss."""
NEAREST = 0.1
"""Share of a fold that makes the pairs of a query, at least."""


@dataclass(frozen=True, slots=True)
class Recalibration:
    """fusion, calibration: for the card, None where the base's own stay; then note says why. pairs: how many taught them."""

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

    Pairs are as near to each other as those of the collection's own shortlists: the first hundred of a hundred thousand tiles
    match at another rate than the first hundred of two hundred.

    places: (E,) of labelled tiles in the scorer's inputs. embeddings: (E, D) of each by a head that had not seen it, the same
    head for all of a fold. labels, folds: theirs. tiles: how many the collection has.
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
    """base: the weight and the depth at hand. nearest: share of a fold's tiles that makes the pairs of a query."""
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
    """The best weight that loses nowhere; the base's where that loses nowhere either, and no other is clearly better."""
    best = safe_weight(reports, NO_LOSS)
    gains = {weight: [report.gain(weight) for report in reports] for weight in (best, base)}
    is_safe = min(gains[base]) >= -NO_LOSS
    return base if is_safe and np.mean(gains[best]) - np.mean(gains[base]) <= NO_LOSS else best


def _too_few(reports: Sequence[RerankReport], fewest: int) -> str:
    asked = sum(report.queries for report in reports)
    return (
        f"too few labelled tiles to recalibrate the matcher: it takes {FEWEST_QUERIES} that share a label with another and "
        f"{FEWEST_PAIRS} pairs of each kind, there are {asked} and {fewest}; its probabilities and its weight are the base's"
    )
