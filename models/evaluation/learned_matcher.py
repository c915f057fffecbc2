"""Fused score and calibration, to and from a card. Free of torch."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from models.bundle.ranking import Ranking
from models.bundle.trained_card import Measurement
from models.evaluation.metrics.calibration import Platt
from models.evaluation.metrics.rerank import FUSION, RerankReport, Weights

CALIBRATION = "sigmoid(scale * score + offset)"
"""The formula of the probability, for cards."""


def describe_calibration(platt: Platt) -> dict[str, Any]:
    """The calibration of a score, for the card."""
    return {"formula": CALIBRATION, **asdict(platt)}


def describe_fusion(weights: Weights, depth: int) -> dict[str, Any]:
    """`matcher.fusion` of the card: formula, weights and depth of the re-ranking."""
    return {"formula": FUSION, "weight": weights.matcher, "neighbours": weights.neighbours, "depth": depth}


def describe_ranking(neighbours: float, depth: int, platt: Platt, cosine: Platt) -> dict[str, Any]:
    """`ranking` of the card: re-ranking by the embedding alone, and probabilities of its score and of the cosine."""
    return {
        "neighbours": neighbours,
        "depth": depth,
        "calibration": describe_calibration(platt),
        "cosine_calibration": describe_calibration(cosine),
    }


def measure_reranking(report: RerankReport, weights: Weights, asked: str = "") -> Measurement:
    """Quality before and after re-ranking with these weights, for the card; asked: start of the protocol's text."""
    after, before = report.at(*weights), report.before
    values = {
        "map_before": before.mean_average_precision,
        "map_after": after.mean_average_precision,
        "anmrr_before": before.anmrr,
        "anmrr_after": after.anmrr,
        "p_at_10_before": before.precision_at_10,
        "p_at_10_after": after.precision_at_10,
        "p_at_50_before": before.precision_at_50,
        "p_at_50_after": after.precision_at_50,
        "map_at_depth_before": before.map_at_depth,
        "map_at_depth_after": after.map_at_depth,
    }
    protocol = f"{asked}the first {report.depth} places re-ranked with weight {weights}"
    return Measurement(protocol=protocol, values=values)


def learned_weights(ranking: Ranking) -> Weights:
    """The weights of a card's ranking."""
    return Weights(ranking.weight, ranking.neighbours)


def learned_platt(ranking: Ranking) -> Platt | None:
    """The calibration of a card's ranking, None without one."""
    return None if ranking.scale is None else Platt(ranking.scale, ranking.offset)
