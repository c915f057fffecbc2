"""Calibration and fusion weight of a matcher, to and from a card. Free of torch."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from models.bundle.card import MatcherCard
from models.bundle.trained_card import Measurement
from models.evaluation.metrics.calibration import Platt
from models.evaluation.metrics.rerank import FUSION, RerankReport

DEPTH = 100
"""Default number of re-ranked places, for cards without one."""
UNLEARNED = 0.05
"""Default weight of the matcher, for cards without one."""


def describe_calibration(platt: Platt) -> dict[str, Any]:
    """The calibration of a matcher's log-odds, for the card."""
    return {"formula": "sigmoid(scale * log_odds + slope * cosine + offset)", **asdict(platt)}


def describe_fusion(weight: float, depth: int) -> dict[str, Any]:
    """Formula, weight and depth of the re-ranking, for the card."""
    return {"formula": FUSION, "weight": weight, "depth": depth}


def measure_reranking(report: RerankReport, weight: float, asked: str = "") -> Measurement:
    """Quality before and after re-ranking with a weight, for the card; asked: start of the protocol's text."""
    after = report.at(weight)
    values = {
        "map_before": report.before.mean_average_precision,
        "map_after": after.mean_average_precision,
        "anmrr_before": report.before.anmrr,
        "anmrr_after": after.anmrr,
    }
    return Measurement(protocol=f"{asked}the first {report.depth} places re-ranked with weight {weight:g}", values=values)


def learned_platt(matcher: MatcherCard) -> Platt | None:
    """The inverse of `describe_calibration`; None if the card has no calibration."""
    learned = matcher.calibration
    return None if learned is None else Platt(learned.scale, learned.offset, learned.slope)


def learned_fusion(matcher: MatcherCard) -> tuple[float, int]:
    """Weight and depth, the inverse of `describe_fusion`; defaults if the card has none."""
    learned = matcher.fusion
    return (UNLEARNED, DEPTH) if learned is None else (learned.weight, learned.depth)
