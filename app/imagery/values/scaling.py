"""Scales raw values to 0..255 for models and previews. Every method of `Scaling` is linear in each band."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.collections import Scaling
from app.domain.tiles import BandRange
from app.errors import InvalidInput

PERCENTILES = (2.0, 98.0)
REFLECTANCE_HIGH = 0.3
EYE_PERCENTILES = (1.0, 99.0)
EYE_RANGE = 128.0
"""8-bit images whose values span less than this are stretched for display; others are shown unchanged."""

Raw = NDArray[np.generic]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Maps `low`..`high` of each of B bands to 0..255; None leaves uint8 unchanged. low, high: (B,) float64, low < high."""

    limits: tuple[NDArray[np.float64], NDArray[np.float64]] | None

    @classmethod
    def of(cls, ranges: tuple[BandRange, ...]) -> Stretch:
        """The stretch with these ranges; the inverse of `ranges`."""
        low, high = np.array(ranges, np.float64).T
        return cls((low, high))

    @property
    def ranges(self) -> tuple[BandRange, ...] | None:
        """`low, high` of each band, as stored in a tile's record."""
        if self.limits is None:
            return None
        return tuple((float(low), float(high)) for low, high in zip(*self.limits, strict=True))

    def apply(self, values: Raw, valid: Mask) -> NDArray[np.uint8]:
        """Stretch (B, H, W) raw values; those not `valid` (B, H, W) become 0."""
        if self.limits is None:
            scaled = values.astype(np.uint8, copy=False)
        elif values.dtype == np.uint8:  # a table of 256 values is more than twice as fast
            every = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None], (len(values), 256, 1))
            scaled = np.stack([table[band] for table, band in zip(_scale(every, *self.limits)[..., 0], values, strict=True)])
        else:
            scaled = _scale(values, *self.limits)
        return scaled if valid.all() else np.where(valid, scaled, np.uint8(0))


def _scale(values: Raw, low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(B, H, W) values, `low`..`high` of each band becoming 0..255."""
    start, end = (limit.astype(np.float32)[:, None, None] for limit in (low, high))
    with np.errstate(invalid="ignore", over="ignore"):
        floats = (values.astype(np.float32) - start) * (np.float32(255) / (end - start))
        scaled: NDArray[np.uint8] = np.clip(np.nan_to_num(np.rint(floats), posinf=255, neginf=0), 0, 255).astype(np.uint8)
    return scaled


def fit(scaling: Scaling, sample: Raw, valid: Mask) -> Stretch:
    """The stretch of a scene for its model.

    sample: (B, H, W) values distributed over the scene. valid: (B, H, W), False at nodata.

    Raises:
        InvalidInput: percentiles are requested, and a band has no valid value.
    """
    known = fixed(scaling, sample.dtype, len(sample))
    if known is not None:
        return known
    low, high = PERCENTILES
    if scaling.method == "percentile":
        low, high = (low if scaling.low is None else scaling.low), (high if scaling.high is None else scaling.high)
    return Stretch(_percentiles(sample, valid, (low, high)))


def fixed(scaling: Scaling, dtype: np.dtype[Any], bands: int) -> Stretch | None:
    """The stretch if it depends on the type of the values only; None if percentiles are requested.

    Raises:
        InvalidInput: reflectance without a scale or a range.
    """
    if scaling.method == "none":
        return _even(0, 255, bands) if dtype != np.uint8 else Stretch(None)
    if scaling.method == "range" and scaling.low is not None and scaling.high is not None:
        return _even(scaling.low, scaling.high, bands)
    if scaling.method == "reflectance":
        high = REFLECTANCE_HIGH if scaling.high is None else scaling.high
        low = scaling.low or 0.0
        if scaling.scale <= 0 or low >= high:
            raise InvalidInput("scaling by reflectance needs scale above 0 and low below high")
        return _even((low - scaling.offset) / scaling.scale, (high - scaling.offset) / scaling.scale, bands)
    return Stretch(None) if scaling.method == "auto" and dtype == np.uint8 else None


def fit_for_eye(sample: Raw, valid: Mask) -> Stretch:
    """The stretch of a scene for previews: (B, H, W) values and validity as in `fit`.

    8-bit colours keep their balance: one range for all bands, and no stretch if their range is wide enough.
    """
    if sample.dtype == np.uint8:
        low, high = _percentiles(sample.reshape(1, -1, 1), valid.reshape(1, -1, 1), EYE_PERCENTILES)
        return Stretch(None) if high[0] - low[0] >= EYE_RANGE else _even(float(low[0]), float(high[0]), len(sample))
    return Stretch(_percentiles(sample, valid, PERCENTILES))


def _even(low: float, high: float, bands: int) -> Stretch:
    return Stretch((np.full(bands, low, np.float64), np.full(bands, high, np.float64)))


def _percentiles(sample: Raw, valid: Mask, percentiles: tuple[float, float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = np.zeros(len(sample)), np.ones(len(sample))
    for index, (band, good) in enumerate(zip(sample, valid, strict=True)):
        values = band[good].astype(np.float64)
        if not values.size:
            raise InvalidInput(f"band {index + 1} of the selected bands has no valid values: all of it is nodata or NaN")
        low[index], high[index] = np.percentile(values, percentiles)
        if high[index] <= low[index]:  # a constant band: any range that keeps it finite
            high[index] = low[index] + max(1.0, abs(low[index]) * 1e-6)
    return low, high
