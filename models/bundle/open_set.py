"""Few-shot classes of tiles, with "none of these": probabilities from labelled tiles, without a training.

A class is scored by the mean cosine to its most similar examples. Two numbers turn scores into probabilities, a scale and the
score of "none of these". They are fitted to the examples: each is scored once without the examples of its place, when its class
is right, and once without the examples of its classes, when "none of these" is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NEAREST = 3
"""Examples of a class whose cosines are averaged."""
SCALE, NONE = 12.0, 0.6
"""Before a fit, and with too few examples for one."""
FEWEST = 6
"""Minimum number of examples that are scored in a fit."""
SHARES = (0.02, 0.98)
"""Least and greatest share of tiles that are expected to be of no class."""
ROUNDS = 50
FEW_CLASSES = 4
"""With fewer classes the examples of left-out ones are too uniform: unlabelled tiles stand for tiles of no class."""
_FAR = -1.0
_Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class OpenSetQuality:
    """How well left-out examples are classified. auroc: of "none of these" against examples of left-out classes, 0.5 is chance.
    accuracy: of the most likely class of an example whose class is not left out. queries: examples that were scored."""

    auroc: float
    accuracy: float
    queries: int


@dataclass(frozen=True, slots=True)
class OpenSetClasses:
    """Classes of tiles. examples: (L, D) float32, L2-normalised. targets: (L, C) bool. places: (L,), equal for examples of one
    place. scale, none: of the fit. share: of all tiles that is expected to be of no class. quality: None without a fit."""

    examples: _Rows
    targets: NDArray[np.bool_]
    places: NDArray[np.integer[Any]]
    scale: float = SCALE
    none: float = NONE
    share: float = 0.5
    quality: OpenSetQuality | None = None

    @classmethod
    def fit(
        cls,
        examples: _Rows,
        targets: NDArray[np.bool_],
        places: NDArray[np.integer[Any]],
        others: _Rows,
    ) -> OpenSetClasses:
        """Fit scale and "none of these" to the examples, and the expected share of it to unlabelled tiles.

        others: (M, D), unlabelled tiles; M may be 0. With fewer than `FEW_CLASSES` classes they stand for tiles of no class.
        """
        found = cls(examples, targets, places)
        right, wrong, own = _left_out(found, others)
        if min(len(right), len(wrong)) < FEWEST:
            return found
        scale, none = _fit(right, own, wrong)
        fitted = cls(examples, targets, places, scale, none)
        quality = OpenSetQuality(
            auroc(fitted._logits(wrong), fitted._logits(right)),
            float(own[np.arange(len(own)), right.argmax(axis=1)].mean()),
            len(own),
        )
        share = fitted._share_of_none(others) if len(others) else 0.5
        return cls(examples, targets, places, scale, none, share, quality)

    def probabilities(self, rows: _Rows, places: NDArray[np.integer[Any]] | None = None) -> NDArray[np.float64]:
        """(N, C + 1), "none of these" last; each row sums to 1. rows: (N, D), L2-normalised.

        places: (N,) place of each row, whose examples are left out; None: no example is.
        """
        logits = np.concatenate(
            [self.scale * self._scores(rows, places), np.full((len(rows), 1), self.scale * self.none)], axis=1
        )
        logits[:, :-1] += np.log((1 - self.share) / max(1, self.targets.shape[1]))
        logits[:, -1] += np.log(self.share)
        logits -= logits.max(axis=1, keepdims=True)
        shares: NDArray[np.float64] = np.exp(logits)
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    def _scores(self, rows: _Rows, places: NDArray[np.integer[Any]] | None = None) -> NDArray[np.float64]:
        """(N, C) mean cosine to the nearest examples of each class; `_FAR` for a class without examples."""
        cosines = rows @ self.examples.T
        if places is not None:
            cosines = np.where(places[:, None] == self.places, np.float32(-np.inf), cosines)
        return (
            np.array([_nearest(cosines[:, own]) for own in self.targets.T], np.float64)
            .reshape(self.targets.shape[1], len(rows))
            .T
        )

    def _logits(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N,) log of the sum over the classes, the evidence for any of them. scores: (N, C)."""
        scaled = self.scale * scores
        top = scaled.max(axis=1)
        return np.asarray(top + np.log(np.exp(scaled - top[:, None]).mean(axis=1)))

    def _share_of_none(self, others: _Rows) -> float:
        """The share of "none of these" among unlabelled tiles that agrees with their probabilities (Saerens et al. 2002)."""
        evidence = self._logits(self._scores(others)) - self.scale * self.none
        share = 0.5
        for _ in range(ROUNDS):
            odds = np.clip(evidence + np.log((1 - share) / share), -50, 50)
            share = float(np.clip(np.mean(1 / (1 + np.exp(odds))), *SHARES))
        return share


def auroc(unknown: NDArray[np.floating[Any]], known: NDArray[np.floating[Any]]) -> float:
    """Probability that a known tile has the higher score; equal scores count half."""
    ordered = np.sort(unknown)
    below, upto = (np.searchsorted(ordered, known, side) for side in ("left", "right"))
    return float((below + upto).mean() / (2 * len(ordered)))


def _nearest(cosines: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Mean of the largest cosines of each row, of fewer where some are -inf; `_FAR` without any."""
    count = min(NEAREST, cosines.shape[1])
    if not count:
        return np.full(len(cosines), _FAR)
    top = np.partition(cosines, -count, axis=1)[:, -count:].astype(np.float64)
    finite = np.isfinite(top)
    total = np.where(finite, top, 0.0).sum(axis=1)
    return np.where(finite.any(axis=1), total / np.maximum(finite.sum(axis=1), 1), _FAR)


def _left_out(found: OpenSetClasses, others: _Rows) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Scores of examples without their place, scores without their classes, and the classes of the first."""
    scores = found._scores(found.examples, found.places)
    is_known = (found.targets & (scores > _FAR)).any(axis=1)
    wrong = np.where(found.targets, _FAR, scores)
    wrong = wrong[(wrong > _FAR).any(axis=1)]
    if found.targets.shape[1] < FEW_CLASSES and len(others):
        unlabelled = _without_known(found._scores(others), scores[is_known])
        wrong = unlabelled if len(unlabelled) >= FEWEST else wrong
    return scores[is_known], wrong, found.targets[is_known]


def _without_known(scores: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores of unlabelled tiles without the highest ones, as many as are expected to be of a class.

    Half of the tiles of a class score more than the median of its examples: twice the share of tiles above it is the share of
    known classes, or more.
    """
    if not len(known):
        return scores
    highest = scores.max(axis=1)
    share = min(1.0, 2 * float((highest > np.median(known.max(axis=1))).mean()))
    kept = len(scores) - round(share * len(scores))
    return scores[np.argsort(highest, kind="stable")[:kept]]


def _fit(right: NDArray[np.float64], own: NDArray[np.bool_], wrong: NDArray[np.float64]) -> tuple[float, float]:
    """Maximum likelihood, with half of the weight for each of the two groups."""
    count = right.shape[1]

    def loss(values: NDArray[np.float64]) -> float:
        scale, none = float(np.exp(values[0])), float(values[1])
        total = 0.0
        for scores, targets in ((right, own), (wrong, None)):
            logits = scale * np.concatenate([scores, np.full((len(scores), 1), none)], axis=1)
            logits[:, -1] += np.log(count)
            top = logits.max(axis=1)
            whole = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
            wanted = logits[:, -1] if targets is None else _log_sum(logits[:, :-1], targets)
            total += float(np.mean(whole - wanted))
        return total + 1e-3 * float(values[0] - np.log(SCALE)) ** 2

    from scipy.optimize import minimize  # type: ignore[import-untyped]  # slow to import; the service starts without it

    best = minimize(loss, np.array([np.log(SCALE), float(np.median(right.max(axis=1)))]), method="Nelder-Mead").x
    return float(np.exp(np.clip(best[0], 0, 6))), float(best[1])


def _log_sum(logits: NDArray[np.float64], targets: NDArray[np.bool_]) -> NDArray[np.float64]:
    masked = np.where(targets, logits, -np.inf)
    top = masked.max(axis=1)
    return np.asarray(top + np.log(np.exp(masked - top[:, None]).sum(axis=1)))
