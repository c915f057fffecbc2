"""Calibration of match probabilities: calibration error, and Platt and isotonic scaling fitted to validation pairs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped]
from scipy.special import expit, logit  # type: ignore[import-untyped]
from sklearn.isotonic import IsotonicRegression  # type: ignore[import-untyped]

from models.evaluation.errors import EvaluationError

BINS = 15
NEAR = 0.1
"""Deviation of the logarithm of a scale from that of other data."""
_SCALES = (1e-3, 1e3)
_LEAST_WIDTH = 1e-6
_EM_STEPS, _EM_PRECISION, _LEAST_SHARE = 200, 1e-6, 1e-3

Probabilities = NDArray[np.float64]


class ScoredPairs(NamedTuple):
    """Pairs with scores. logits: (N,), scores that ascend with the probability of a match: the fused score of a ranking, or the
    log-odds of a softmax. matches: (N,) bool."""

    logits: NDArray[np.floating[Any]]
    matches: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Bin:
    """Pairs of similar probability: their number, mean probability, and share of matches."""

    pairs: int
    probability: float
    matches: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """bins: of equal width over 0..1, empty ones left out. error: expected calibration error, the mean distance of
    probability and share of matches over pairs. log_loss: mean cross-entropy in nats."""

    bins: tuple[Bin, ...]
    error: float
    log_loss: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Platt:
    """probability = sigmoid(scale * logit + offset), scale above 0 (Platt 1999).

    The share of matches among the first hundred places depends on the archive. Among pairs of equal fused score, which contains
    the cosine, it is nearly the same in all archives: a fit on one archive holds for others.
    """

    scale: float = 1.0
    offset: float = 0.0

    def __call__(self, logits: NDArray[np.floating[Any]]) -> Probabilities:
        """Scores of any shape to 0..1."""
        return np.asarray(expit(self.scale * np.asarray(logits, dtype=np.float64) + self.offset))


@dataclass(frozen=True, slots=True)
class Isotonic:
    """probability = piecewise linear through (logits, probabilities), both ascending; flat outside."""

    logits: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __call__(self, logits: NDArray[np.floating[Any]]) -> Probabilities:
        """Log-odds of any shape to 0..1."""
        return np.asarray(np.interp(logits, self.logits, self.probabilities), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Scalings fitted to validation pairs, and reliability of test pairs without scaling (raw) and with each."""

    platt: Platt
    isotonic: Isotonic
    raw: Reliability
    by_platt: Reliability
    by_isotonic: Reliability

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def calibrate(validation: ScoredPairs, test: ScoredPairs, *, bins: int = BINS) -> Calibration:
    """Fit both scalings to the validation pairs, and measure on the test pairs.

    Raises:
        EvaluationError: shapes do not fit, a logit is not finite, or all or none of the validation pairs match.
    """
    platt, isotonic = fit_platt(validation), fit_isotonic(validation)
    given = (Platt()(test.logits), platt(test.logits), isotonic(test.logits))
    raw, by_platt, by_isotonic = (reliability(each, test.matches, bins=bins) for each in given)
    return Calibration(platt, isotonic, raw, by_platt, by_isotonic)


def calibrate_shortlists(
    scores: NDArray[np.floating[Any]], matches: NDArray[np.bool_], learned: Platt | None
) -> Calibration | None:
    """Fit to the shortlists of every other query and measure on the rest; None if all or none of the pairs of a part match.

    scores, matches: (Q, K), of the first K places of Q queries. learned: a model's own scaling, which replaces the fitted one.
    """
    fitted, tested = (ScoredPairs(scores[k::2].ravel(), matches[k::2].ravel()) for k in (0, 1))
    try:
        found = calibrate(fitted, tested)
    except EvaluationError:
        return None
    if learned is None:
        return found
    return replace(found, platt=learned, by_platt=reliability(learned(tested.logits), tested.matches))


def fit_platt(pairs: ScoredPairs, near: float | None = None) -> Platt:
    """Parameters of minimum cross-entropy. Raises as `calibrate`.

    near: a scale from many other pairs, above 0; the fitted scale leaves it only as far as many pairs demand
        (log-normal prior with deviation `NEAR`). None: any scale.
    """
    logits, matches = _checked(pairs)
    centre, width = float(logits.mean()), max(float(logits.std()), _LEAST_WIDTH)
    inputs = np.stack([(logits - centre) / width, np.ones_like(logits)], axis=1)  # standardised, so that the search converges
    sign = np.where(matches, -1.0, 1.0)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margins = sign * (inputs @ parameters)
        value, gradient = float(np.mean(np.logaddexp(0, margins))), (sign * expit(margins)) @ inputs / len(inputs)
        if near is not None:
            away = float(np.log(parameters[0] / (width * near))) / NEAR
            value += 0.5 * away * away / len(inputs)
            gradient[0] += away / (NEAR * parameters[0] * len(inputs))
        return value, gradient

    bounds = [tuple(width * scale for scale in _SCALES), (None, None)]
    start = np.array([1.0 if near is None else width * near, 0.0])
    slope, level = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return Platt(float(slope / width), float(level - slope / width * centre))


def shift_prior(platt: Platt, share: float, logits: NDArray[np.floating[Any]]) -> Platt:
    """The scaling for other pairs, of which another, unknown share matches (Saerens et al. 2002, eq. 2.4, by EM).

    Matching pairs and other pairs keep their distributions of scores; only their proportion differs.

    share: of matches among the pairs that `platt` was fitted to, above 0 and below 1. logits: (N,) scores of the other pairs.
    """
    prior, found = logit(share), share
    ratios = platt.scale * np.asarray(logits, np.float64) + platt.offset - prior
    for _ in range(_EM_STEPS):
        before, found = found, float(np.clip(expit(ratios + logit(found)).mean(), _LEAST_SHARE, 1 - _LEAST_SHARE))
        if abs(found - before) < _EM_PRECISION:
            break
    return Platt(platt.scale, float(platt.offset - prior + logit(found)))


def fit_isotonic(pairs: ScoredPairs) -> Isotonic:
    """The ascending function of minimum squared error (pool adjacent violators). Raises as `calibrate`.

    Probabilities stay 1 / (N + 2) away from 0 and 1, since N pairs do not support more extreme ones.
    """
    logits, matches = _checked(pairs)
    margin = 1 / (len(logits) + 2)
    fitted = IsotonicRegression(y_min=margin, y_max=1 - margin).fit(logits, matches)
    return Isotonic(tuple(map(float, fitted.X_thresholds_)), tuple(map(float, fitted.y_thresholds_)))


def reliability(probabilities: ArrayLike, matches: ArrayLike, *, bins: int = BINS) -> Reliability:
    """Compare (N,) probabilities in 0..1 with (N,) bool matches.

    Raises:
        EvaluationError: shapes do not fit, there is no pair, or a probability is out of range.
    """
    given, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(matches, dtype=np.bool_)
    if given.ndim != 1 or given.shape != truth.shape or len(given) == 0:
        raise EvaluationError(f"probabilities {given.shape} and matches {truth.shape} must be (N,), with at least one pair")
    if not (np.all(given >= 0) and np.all(given <= 1)):
        raise EvaluationError("probabilities must be within 0..1")
    place = np.minimum((given * bins).astype(np.intp), bins - 1)
    parts = [(given[place == each], truth[place == each]) for each in np.unique(place)]
    found = tuple(Bin(len(p), float(p.mean()), float(t.mean())) for p, t in parts)
    error = sum(each.pairs * abs(each.probability - each.matches) for each in found) / len(given)
    tiny = np.finfo(np.float64).tiny
    log_loss = -np.mean(np.log(np.maximum(np.where(truth, given, 1 - given), tiny)))
    return Reliability(found, error, float(log_loss))


def _checked(pairs: ScoredPairs) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    logits, matches = np.asarray(pairs.logits, dtype=np.float64), np.asarray(pairs.matches, dtype=np.bool_)
    if logits.ndim != 1 or logits.shape != matches.shape or not np.isfinite(logits).all():
        raise EvaluationError(f"logits {logits.shape} and matches {matches.shape} must be (N,), and finite")
    if len(np.unique(matches)) < 2:
        raise EvaluationError("calibration needs validation pairs that match and pairs that do not")
    return logits, matches
