"""Evaluation of re-ranking on a collection's own labels: its gain of mAP and the calibration of its probabilities."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.evaluation.learned_matcher import learned_fusion, learned_platt
from models.evaluation.metrics.calibration import Calibration, calibrate_shortlists
from models.evaluation.metrics.rerank import NO_LOSS, WEIGHTS, RerankReport
from models.evaluation.report.html import Section
from models.evaluation.report.sections import rerank_section, shortlist_calibration_section
from models.heads.evaluation.pair_scores import PairScorer
from models.heads.evaluation.query_tiles import QueryTiles
from models.heads.input_files import Inputs
from models.heads.progress import ProgressCallback

QUERIES = 300


@dataclass(frozen=True, slots=True)
class RerankValue:
    """Measured re-ranking. report: by weight. weight: the card's. calibration: None unless some pairs match and some do not."""

    report: RerankReport
    weight: float
    calibration: Calibration | None

    @property
    def helps(self) -> bool:
        """Whether the card's weight loses at most `NO_LOSS` of mAP on this collection."""
        return self.report.gain(self.weight) >= -NO_LOSS

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the program's last output line."""
        before, after = self.report.before, self.report.at(self.weight)
        return {
            "helps": self.helps,
            "weight": self.weight,
            "depth": self.report.depth,
            "queries": self.report.queries,
            "map_before": before.mean_average_precision,
            "map_after": after.mean_average_precision,
            "before": asdict(before),
            "after": asdict(after),
        }

    def reliability(self) -> dict[str, Any] | None:
        """Calibration error (`ece`) and log loss of the card's probabilities."""
        if self.calibration is None:
            return None
        found = self.calibration.by_platt
        return {"ece": found.error, "log_loss": found.log_loss, "pairs": sum(part.pairs for part in found.bins)}

    def sections(self, name: str) -> list[Section]:
        """Sections of the HTML report."""
        found = [rerank_section({name: self.report}, self.weight)]
        return found if self.calibration is None else [*found, shortlist_calibration_section(self.calibration)]

    def numbers(self) -> dict[str, Any]:
        """Values for the JSON report."""
        calibration = None if self.calibration is None else self.calibration.to_dict()
        return {"rerank": {"weight": self.weight, **self.report.to_dict()}, "calibration": calibration}


def measure_reranking(inputs: Inputs, queried: QueryTiles, progress: ProgressCallback) -> RerankValue | None:
    """Re-rank the query tiles whose pixels are available; None without a matcher, or if no two of them share a label."""
    matcher = inputs.card.matcher
    if inputs.matcher is None or matcher is None:
        return None
    places = np.flatnonzero(np.isin(inputs.matcher.rows, queried.rows))
    if len(places) < 2:
        return None
    rows = inputs.matcher.rows[places]
    weight, depth = learned_fusion(matcher)
    ranked = PairScorer(inputs.manifest.bundle, inputs.card, inputs.matcher).rank(
        places,
        inputs.embeddings[rows],
        inputs.label_sets(rows),
        queries=QUERIES,
        depth=depth,
        seed=inputs.manifest.seed,
        progress=progress,
    )
    report = ranked.reranked(sorted({*WEIGHTS, weight}))
    if report is None:
        return None
    calibration = calibrate_shortlists(ranked.log_odds, ranked.matches, ranked.shortlist.similarities, learned_platt(matcher))
    return RerankValue(report, weight, calibration)
