"""What was learned of a matcher on other images than it was trained on, as a card says it. Free of torch."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from models.bundle.card import MatcherCard
from models.bundle.trained_card import Measurement
from models.evaluation.metrics.calibration import Platt
from models.evaluation.metrics.rerank import FUSION, RerankReport

DEPTH = 100
"""Places that are re-ranked where the card does not say."""
UNLEARNED = 0.05
"""The matcher's weight where the card does not say."""


def describe_calibration(platt: Platt) -> dict[str, Any]:
    """How a matcher's log-odds become a probability, for the card."""
    return {"formula": "sigmoid(scale * log_odds + slope * cosine + offset)", **asdict(platt)}


def describe_fusion(weight: float, depth: int) -> dict[str, Any]:
    """What a matcher has to say in the ranking, for the card."""
    return {"formula": FUSION, "weight": weight, "depth": depth}


def measure_reranking(report: RerankReport, weight: float, asked: str = "") -> Measurement:
    """What re-ranking with a weight is worth, for the card; asked: who queried what, the beginning of a sentence."""
    after = report.at(weight)
    values = {
        "map_before": report.before.mean_average_precision,
        "map_after": after.mean_average_precision,
        "anmrr_before": report.before.anmrr,
        "anmrr_after": after.anmrr,
    }
    return Measurement(protocol=f"{asked}the first {report.depth} places re-ranked with weight {weight:g}", values=values)


def learned_platt(matcher: MatcherCard) -> Platt | None:
    """The reverse of `describe_calibration`; None where a card has none."""
    learned = matcher.calibration
    return None if learned is None else Platt(learned.scale, learned.offset, learned.slope)


def learned_fusion(matcher: MatcherCard) -> tuple[float, int]:
    """The weight and the depth, the reverse of `describe_fusion`; the usual ones where a card has none."""
    learned = matcher.fusion
    return (UNLEARNED, DEPTH) if learned is None else (learned.weight, learned.depth)
