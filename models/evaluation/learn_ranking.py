"""Learn the ranking of a card on given shortlists: the weights of the fused score, then its calibration. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.evaluation.learned_matcher import describe_calibration, describe_fusion, describe_ranking
from models.evaluation.metrics.calibration import Calibration, Platt, ScoredPairs, calibrate, fit_platt
from models.evaluation.metrics.rerank import NO_LOSS, Weights, safe_weights
from models.evaluation.metrics.shortlists import RankedShortlists


@dataclass(frozen=True, slots=True)
class LearnedRanking:
    """A learned fused score. depth: places that it re-ranks. calibration: its fit, measured on other pairs.

    cosine: fit of the cosine alone to the same pairs.
    """

    weights: Weights
    depth: int
    calibration: Calibration
    cosine: Platt

    def fusion(self) -> dict[str, Any]:
        """`matcher.fusion` of the card."""
        return describe_fusion(self.weights, self.depth)

    def matcher_calibration(self) -> dict[str, Any]:
        """`matcher.calibration` of the card."""
        return describe_calibration(self.calibration.platt)

    def ranking(self) -> dict[str, Any]:
        """`ranking` of the card; only for shortlists without a matcher."""
        return describe_ranking(self.weights.neighbours, self.depth, self.calibration.platt, self.cosine)


def learn_ranking(
    chosen_on: Sequence[RankedShortlists],
    fitted_on: Sequence[RankedShortlists],
    measured_on: Sequence[RankedShortlists],
    *,
    tolerance: float = NO_LOSS,
) -> LearnedRanking:
    """Choose weights that lose on none of `chosen_on`, fit the probability to the pairs of `fitted_on`, and measure it.

    The weights are those with the highest mean gain of P@10, P@50 and mAP of the re-ranked places. Shortlists without log-odds
    give the ranking of an embedding alone. Choose and fit on images of classes that the networks were not trained on.

    Raises:
        EvaluationError: no query has a relevant item, or all or none of the pairs match.
    """
    weights = safe_weights([each.report() for each in chosen_on], tolerance)
    return LearnedRanking(
        weights,
        max(each.depth for each in chosen_on),
        calibrate(joined_pairs(fitted_on, weights), joined_pairs(measured_on, weights)),
        fit_platt(joined_pairs(fitted_on, Weights())),
    )


def joined_pairs(shortlists: Sequence[RankedShortlists], weights: Weights) -> ScoredPairs:
    """The pairs of several shortlists with their fused scores."""
    pairs = [each.pairs(weights) for each in shortlists]
    return ScoredPairs(np.concatenate([each.logits for each in pairs]), np.concatenate([each.matches for each in pairs]))
