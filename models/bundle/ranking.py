"""The ranking score and the match probability of re-ranked candidates, from a card. Search and evaluation use it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.card import Calibration, MatcherCard, ModelCard

DEPTH = 100
"""Number of candidates that are re-ranked if neither card nor request defines it."""
UNLEARNED = 0.05
"""Weight of the log-odds for cards without one."""
LEAST_SLOPE = 0.01
"""Slope of the cosine in place of a smaller one in an earlier card: such a card ranks by log-odds, then by cosine."""

Values = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Ranking:
    """score = cosine + weight * log_odds + neighbours * overlap; probability = sigmoid(scale * score + offset).

    The probability ascends with the score, so that results in order of the score are in order of the probability.

    weight, neighbours: at least 0; a term with weight 0 is not computed. depth: number of candidates that are re-ranked.
    scale: above 0; None if there are no probabilities.
    """

    weight: float = 0.0
    neighbours: float = 0.0
    depth: int = DEPTH
    scale: float | None = None
    offset: float = 0.0

    def scores(self, cosines: Values, log_odds: Values | None = None, overlaps: Values | None = None) -> NDArray[np.float64]:
        """Scores of any shape. log_odds, overlaps: of the same shape, needed if their weight is not 0."""
        total = np.asarray(cosines, np.float64)
        if self.weight and log_odds is not None:
            total = total + self.weight * log_odds
        if self.neighbours and overlaps is not None:
            total = total + self.neighbours * overlaps
        return total

    def probabilities(self, scores: Values) -> NDArray[np.float64] | None:
        """Match probabilities of scores, 0..1; None without a calibration."""
        if self.scale is None:
            return None
        logits = self.scale * np.asarray(scores, np.float64) + self.offset
        return np.asarray(np.exp(-np.logaddexp(0, -logits)))  # the sigmoid, finite at both ends


def matcher_ranking(matcher: MatcherCard) -> Ranking:
    """The ranking of a model with a matcher.

    A card with the earlier calibration `sigmoid(scale * log_odds + slope * cosine + offset)` ranks by this sum instead of its
    fusion, which is the only score that its probability is a function of.
    """
    fusion, fit = matcher.fusion, matcher.calibration
    weight, neighbours, depth = (UNLEARNED, 0.0, DEPTH) if fusion is None else (fusion.weight, fusion.neighbours, fusion.depth)
    if fit is None:
        return Ranking(weight, neighbours, depth)
    if fit.is_of_score:
        return Ranking(weight, neighbours, depth, fit.scale, fit.offset)
    slope = max(fit.slope, LEAST_SLOPE)
    return Ranking(fit.scale / slope, 0.0, depth, slope, fit.offset)


def second_stage(card: ModelCard) -> Ranking | None:
    """The ranking of re-ranked searches with a model: with its matcher, or by the embedding alone; None if it has neither."""
    if card.matcher is not None:
        return matcher_ranking(card.matcher)
    own = card.ranking
    return None if own is None else _calibrated(own.neighbours, own.depth, own.calibration)


def cosine_ranking(card: ModelCard) -> Ranking | None:
    """The ranking of searches without re-ranking, by the cosine; None if the card has no probabilities for it."""
    own = card.ranking
    if own is None:
        return None
    fit = own.cosine_calibration or (own.calibration if own.neighbours == 0 else None)
    return None if fit is None else _calibrated(0.0, own.depth, fit)


def _calibrated(neighbours: float, depth: int, fit: Calibration | None) -> Ranking:
    if fit is None:
        return Ranking(0.0, neighbours, depth)
    return Ranking(0.0, neighbours, depth, fit.scale, fit.offset)
