"""The change of mean average precision over the archive, with its confidence interval, from the changes of single queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
CONFIDENCE = 0.95
"""One-sided confidence of each end of the interval."""


@dataclass(frozen=True, slots=True)
class Change:
    """Change of the mean average precision. low, high: ends of its interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class QueryChanges:
    """Changes of the average precision of Q queries. values, places: (Q,); a query without a value (NaN) does not count."""

    values: NDArray[np.float64]
    places: NDArray[np.intp]

    @property
    def mean(self) -> float:
        """Their mean."""
        return float(np.nanmean(self.values))


def estimate_change(known: QueryChanges, unseen: QueryChanges | float, share: float) -> Change:
    """The mean change, and its interval by a paired bootstrap over places with a fixed seed.

    known: queries of labels that the new index may have learned. unseen: the same queries if their label is not learned, or the
    assumed change of such queries. share: of the archive that shows labelled classes, 0..1.
    """
    places = np.unique(known.places)
    draws = np.random.default_rng(0).multinomial(len(places), np.full(len(places), 1 / len(places)), size=RESAMPLES)
    draws = np.concatenate([np.ones((1, len(places)), np.int64), draws])  # first the sample itself
    total = share * _means(known, places, draws)
    total += (1 - share) * (unseen if isinstance(unseen, float) else _means(unseen, places, draws))
    low, high = np.quantile(total[1:], [1 - CONFIDENCE, CONFIDENCE])
    return Change(float(total[0]), float(low), float(high))


def _means(changes: QueryChanges, places: NDArray[np.intp], draws: NDArray[np.int64]) -> NDArray[np.float64]:
    """(R,) mean over the queries of each draw of places."""
    is_known = np.isfinite(changes.values)
    numbers = np.searchsorted(places, changes.places[is_known])
    sums = np.bincount(numbers, weights=changes.values[is_known], minlength=len(places))
    sizes = np.bincount(numbers, minlength=len(places))
    return np.asarray((draws @ sums) / np.maximum(draws @ sizes, 1))
