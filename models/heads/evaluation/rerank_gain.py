"""Evaluation of re-ranking on a collection's own labels: its gain of mAP and the calibration of its probabilities."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.bundle.ranking import second_stage
from models.evaluation.learned_matcher import learned_platt, learned_weights
from models.evaluation.metrics.calibration import Calibration, calibrate_shortlists
from models.evaluation.metrics.rerank import NO_LOSS, RerankReport, Weights
from models.evaluation.metrics.shortlists import RankedShortlists, weight_grid
from models.evaluation.report.html import Section
from models.evaluation.report.sections import rerank_section, shortlist_calibration_section
from models.heads.evaluation.pair_scores import PairScorer, rank_tiles, reranked
from models.heads.evaluation.query_tiles import QueryTiles
from models.heads.input_files import Inputs
from models.heads.progress import ProgressCallback

QUERIES = 300


@dataclass(frozen=True, slots=True)
class RerankValue:
    """Measured re-ranking. report: by weights. weights: the card's. calibration: None unless some pairs match and some do
    not."""

    report: RerankReport
    weights: Weights
    calibration: Calibration | None

    @property
    def helps(self) -> bool:
        """Whether the card's weights lose at most `NO_LOSS` on the first places of this collection's rankings."""
        return self.report.first_page_gain(*self.weights) >= -NO_LOSS

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the program's last output line."""
        before, after = self.report.before, self.report.at(*self.weights)
        return {
            "helps": self.helps,
            "weight": self.weights.matcher,
            "neighbours": self.weights.neighbours,
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
        found = [rerank_section({name: self.report}, self.weights)]
        return found if self.calibration is None else [*found, shortlist_calibration_section(self.calibration)]

    def numbers(self) -> dict[str, Any]:
        """Values for the JSON report."""
        calibration = None if self.calibration is None else self.calibration.to_dict()
        return {
            "rerank": {"weight": self.weights.matcher, "neighbours": self.weights.neighbours, **self.report.to_dict()},
            "calibration": calibration,
        }


def measure_reranking(inputs: Inputs, queried: QueryTiles, progress: ProgressCallback) -> RerankValue | None:
    """Re-rank the query tiles as the service does; None if the card defines no second stage, if a matcher has no tiles whose
    pixels are available, or if no two tiles share a label."""
    ranking = second_stage(inputs.card)
    if ranking is None:
        return None
    ranked = _rank(inputs, queried, ranking.depth, progress)
    if ranked is None:
        return None
    weights, platt = learned_weights(ranking), learned_platt(ranking)
    report = reranked(ranked, weight_grid(has_matcher=ranked.log_odds is not None, also=weights))
    if report is None:
        return None
    return RerankValue(report, weights, calibrate_shortlists(ranked.scores(weights), ranked.matches, platt))


def _rank(inputs: Inputs, queried: QueryTiles, depth: int, progress: ProgressCallback) -> RankedShortlists | None:
    seed = inputs.manifest.seed
    if inputs.card.matcher is None:
        return rank_tiles(inputs.embeddings[queried.rows], queried.labels, queries=QUERIES, depth=depth, seed=seed)
    if inputs.matcher is None:
        return None
    places = np.flatnonzero(np.isin(inputs.matcher.rows, queried.rows))
    if len(places) < 2:
        return None
    rows = inputs.matcher.rows[places]
    return PairScorer(inputs.manifest.bundle, inputs.card, inputs.matcher).rank(
        places,
        inputs.embeddings[rows],
        inputs.label_sets(rows),
        queries=QUERIES,
        depth=depth,
        seed=seed,
        progress=progress,
    )
