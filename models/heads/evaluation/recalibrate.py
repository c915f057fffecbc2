"""Fit the fused score and its calibration for a new head, on labelled tiles that the head was not trained on.

Each labelled tile of a fold queries the other labelled tiles of the fold and unlabelled tiles of the archive, by the head that
was trained without the fold. Its shortlist is then as crowded as those of searches, on which the neighbourhood overlap depends.
Of a pair of labelled tiles it is known whether it matches. An unlabelled tile may match, so the share of matches in whole
shortlists is estimated from their scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.ranking import Ranking
from models.evaluation.learned_matcher import describe_calibration, describe_fusion, describe_ranking, learned_weights
from models.evaluation.metrics.calibration import Platt, ScoredPairs, fit_platt, shift_prior
from models.evaluation.metrics.relevance import LabelSets
from models.evaluation.metrics.rerank import NO_LOSS, Weights, safest
from models.evaluation.metrics.retrieval import average_precision
from models.evaluation.metrics.shortlists import RankedShortlists, weight_grid
from models.heads.evaluation.pair_scores import PairScorer, Surroundings, rank_tiles
from models.heads.progress import ProgressCallback, sub_progress

QUERIES = 240
"""Number of queries over all folds."""
FEWEST_MATCHES, FEWEST_OTHERS, FEWEST_QUERIES = 25, 10, 20
"""Minimum numbers of pairs of labelled tiles that match, of those that do not, and of queries that have a match; with fewer,
the base model's values are kept."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Labelled tiles that a head was not trained on. embeddings: (E, D) by this head. labels: of these tiles. others:
    unlabelled tiles, by the same head. places: (E,) of the labelled tiles in the scorer's inputs."""

    embeddings: NDArray[np.float32]
    labels: LabelSets
    others: Surroundings
    places: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Recalibration:
    """Fitted values. fusion, calibration: of the matcher; ranking: without one. None to keep the base model's, for the reason
    in `note`. pairs: number of pairs of labelled tiles used."""

    fusion: dict[str, Any] | None = None
    calibration: dict[str, Any] | None = None
    ranking: dict[str, Any] | None = None
    pairs: int = 0
    note: str = ""


def recalibrate(
    folds: Sequence[Fold], base: Ranking, scorer: PairScorer | None, seed: int, progress: ProgressCallback
) -> Recalibration:
    """Fit weights and calibration to the shortlists of all folds.

    base: of the base model. scorer: None for a model without a matcher.
    """
    used = [fold for fold in folds if len(fold.embeddings) > 1]
    ranked = []
    for number, fold in enumerate(used):
        own = sub_progress(progress, 100 * number / len(used), 100 * (number + 1) / len(used))
        queries = QUERIES // len(used)
        if scorer is None:
            found = rank_tiles(
                fold.embeddings, fold.labels, others=fold.others.embeddings, queries=queries, depth=base.depth, seed=seed
            )
        else:
            found = scorer.rank(
                fold.places,
                fold.embeddings,
                fold.labels,
                others=fold.others,
                queries=queries,
                depth=base.depth,
                seed=seed,
                progress=own,
            )
        ranked.append(_FoldLists(found, found.shortlist.indices < len(fold.embeddings)))
    return _learn(ranked, base, has_matcher=scorer is not None)


@dataclass(frozen=True, slots=True)
class _FoldLists:
    """Shortlists of a fold's queries. is_known: (Q, K), whether the tile at a place is labelled."""

    ranked: RankedShortlists
    is_known: NDArray[np.bool_]

    def precisions(self, weights: Weights) -> list[float]:
        """Average precision of the labelled tiles of each shortlist in which a labelled tile matches."""
        scores, matches = self.ranked.scores(weights), self.ranked.matches
        found = []
        for row, known in enumerate(self.is_known):
            order = np.argsort(-scores[row, known], kind="stable")
            ranks = np.flatnonzero(matches[row, known][order]) + 1
            if len(ranks):
                found.append(average_precision(ranks))
        return found


def _learn(folds: Sequence[_FoldLists], base: Ranking, *, has_matcher: bool) -> Recalibration:
    own = learned_weights(base)
    matches = _known_pairs(folds, own).matches
    of_kinds = int(matches.sum()), int((~matches).sum())
    queries = sum(len(fold.precisions(own)) for fold in folds)
    if of_kinds[0] < FEWEST_MATCHES or of_kinds[1] < FEWEST_OTHERS or queries < FEWEST_QUERIES:
        return Recalibration(note=_too_few(queries, *of_kinds))
    weights = _choose(folds, own, has_matcher=has_matcher)
    platt = _fit(folds, weights, base.scale if weights == own else None)
    if has_matcher:
        return Recalibration(describe_fusion(weights, base.depth), describe_calibration(platt), pairs=len(matches))
    cosine = _fit(folds, Weights())
    return Recalibration(ranking=describe_ranking(weights.neighbours, base.depth, platt, cosine), pairs=len(matches))


def _fit(folds: Sequence[_FoldLists], weights: Weights, near: float | None = None) -> Platt:
    """The calibration of pairs of labelled tiles, shifted to the share of matches of whole shortlists. near: the base model's
    scale; few pairs of labelled tiles differ in their label, so that theirs is uncertain."""
    known = _known_pairs(folds, weights)
    everything = np.concatenate([fold.ranked.scores(weights).ravel() for fold in folds])
    return shift_prior(fit_platt(known, near), float(known.matches.mean()), everything)


def _known_pairs(folds: Sequence[_FoldLists], weights: Weights) -> ScoredPairs:
    """Fused scores and matches of the pairs of labelled tiles."""
    scores = [fold.ranked.scores(weights)[fold.is_known] for fold in folds]
    matches = [fold.ranked.matches[fold.is_known] for fold in folds]
    return ScoredPairs(np.concatenate([np.zeros(0), *scores]), np.concatenate([np.zeros(0, np.bool_), *matches]))


def _choose(folds: Sequence[_FoldLists], own: Weights, *, has_matcher: bool) -> Weights:
    gains: dict[Weights, list[float]] = {}
    measured = [fold for fold in folds if fold.precisions(own)]
    before = [float(np.mean(fold.precisions(Weights()))) for fold in measured]
    for weights in weight_grid(has_matcher=has_matcher, also=own):
        after = [float(np.mean(fold.precisions(weights))) for fold in measured]
        gains[weights] = [new - old for new, old in zip(after, before, strict=True)]
    return choose_weights(gains, own)


def choose_weights(gains: Mapping[Weights, Sequence[float]], base: Weights) -> Weights:
    """The weights with the highest gain among those that lose on no fold; the base weights unless others are clearly better.

    gains: by fold, -1..1, against the embedding alone.
    """
    best = safest(gains, NO_LOSS)
    is_safe = min(gains[base]) >= -NO_LOSS
    mean = {weights: float(np.mean(gains[weights])) if weights in gains else 0.0 for weights in (best, base)}
    return base if is_safe and mean[best] - mean[base] <= NO_LOSS else best


def _too_few(queries: int, matches: int, others: int) -> str:
    return (
        f"too few labelled tiles to recalibrate the ranking: in their shortlists {queries} tiles find another of their label "
        f"({FEWEST_QUERIES} needed), {matches} pairs share a label ({FEWEST_MATCHES} needed) and {others} do not "
        f"({FEWEST_OTHERS} needed); the base model's probabilities and weights are kept"
    )
