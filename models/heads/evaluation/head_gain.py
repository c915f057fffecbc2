"""Evaluation of a new head on held-out tiles: its rankings, those of the base model's head, and the gain by the matcher."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.ranking import matcher_ranking
from models.bundle.trained_card import Measurement
from models.evaluation.errors import EvaluationError
from models.evaluation.learned_matcher import learned_weights
from models.evaluation.metrics.rerank import Quality
from models.evaluation.metrics.retrieval import RetrievalReport, retrieval_metrics
from models.heads.evaluation.pair_scores import PairScorer, reranked
from models.heads.evaluation.recalibrate import Recalibration
from models.heads.head_bundle import learned_matcher
from models.heads.input_files import Inputs
from models.heads.linear_head import Head
from models.heads.progress import ProgressCallback

PROTOCOL = "held-out labelled tiles query each other; tiles that share a label are relevant"
MOST_TILES, MOST_QUERIES = 3000, 120
"""Maximum numbers of held-out tiles that are ranked, and of queries that are re-ranked."""


@dataclass(frozen=True, slots=True)
class HeadQuality:
    """Means over queries of whole rankings by the embedding, 0..1; 0 is the best ANMRR."""

    mean_average_precision: float
    anmrr: float
    precision_at_10: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Measured quality. before, after: of the base model's head and the new one. queries: held-out tiles with a relevant tile.

    rerank: of the new head before and after re-ranking, None if there are no tiles to measure on.
    """

    queries: int
    before: HeadQuality
    after: HeadQuality
    rerank: tuple[Quality, Quality] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the program's last output line."""
        return {"protocol": PROTOCOL, **asdict(self)}

    def measurements(self) -> dict[str, Measurement]:
        """Measurements for the card."""
        found = {"held-out tiles": _compared(PROTOCOL, self.before, self.after)}
        if self.rerank is not None:
            found["held-out tiles, re-ranked"] = _compared(f"{PROTOCOL}; before and after re-ranking", *self.rerank)
        return found


def measure_heads(
    inputs: Inputs,
    features: NDArray[np.float16],
    heads: tuple[Head, Head],
    scorer: PairScorer | None,
    learned: Recalibration,
    progress: ProgressCallback,
) -> Measured | None:
    """Compare two heads, the base model's first; None if no held-out tile shares a label with another.

    Held-out tiles of a place that has a training tile are used only if the others do not suffice.

    features: (N, F) of all tiles.
    """
    found = next((found for rows in inputs.held_out_rows() if (found := _rankings(inputs, features, heads, rows))), None)
    if found is None:
        return None
    reports, depth = found
    before, after = (_quality(report, depth) for report in reports)
    queries = reports[0].queries - reports[0].without_match
    if scorer is None:
        return Measured(queries, before, after)
    return Measured(queries, before, after, _with_matcher(inputs, features, heads[1], scorer, learned, progress))


def _rankings(
    inputs: Inputs, features: NDArray[np.float16], heads: tuple[Head, Head], rows: NDArray[np.intp]
) -> tuple[list[RetrievalReport], int] | None:
    """The rankings by each head and k of their precision; None if no two of the rows share a label."""
    rows = np.sort(np.random.default_rng(inputs.manifest.seed).permutation(rows)[:MOST_TILES])
    labels = inputs.label_sets(rows)
    reports = []
    depth = min(10, len(rows) - 1)
    for head in heads:
        embeddings = head.project(features, rows)
        try:  # raises for fewer than two tiles, too
            reports.append(retrieval_metrics(embeddings, labels, embeddings, labels, exclude_self=True, ks=(depth,)))
        except EvaluationError:
            return None
    return reports, depth


def _with_matcher(
    inputs: Inputs,
    features: NDArray[np.float16],
    head: Head,
    scorer: PairScorer,
    learned: Recalibration,
    progress: ProgressCallback,
) -> tuple[Quality, Quality] | None:
    base = inputs.card.matcher
    if inputs.matcher is None or base is None:
        return None
    places = np.flatnonzero((inputs.is_labelled & inputs.held_out)[inputs.matcher.rows])
    if len(places) < 2:
        return None
    rows = inputs.matcher.rows[places]
    matcher = learned_matcher(base, learned.fusion, learned.calibration)
    ranking = matcher_ranking(matcher)
    weights = learned_weights(ranking)
    ranked = scorer.rank(
        places,
        head.project(features, rows),
        inputs.label_sets(rows),
        queries=MOST_QUERIES,
        depth=ranking.depth,
        seed=inputs.manifest.seed,
        progress=progress,
    )
    report = reranked(ranked, [weights])
    return None if report is None else (report.before, report.at(*weights))


def _quality(report: RetrievalReport, depth: int) -> HeadQuality:
    """depth: k of the precision, 10 or the number of other tiles."""
    return HeadQuality(report.mean_average_precision, report.anmrr, report.precision_at[depth])


def _compared(protocol: str, before: HeadQuality | Quality, after: HeadQuality | Quality) -> Measurement:
    values = {f"{name}_before": value for name, value in asdict(before).items()}
    return Measurement(protocol=protocol, values=values | {f"{name}_after": value for name, value in asdict(after).items()})
