"""Stretches: the formula, for every type of values."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import DTypeLike

from app.imagery.values.scaling import Stretch


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float64"])
def test_values_are_scaled_by_the_range_of_their_band(dtype: DTypeLike) -> None:
    values = np.arange(2 * 16 * 8).reshape(2, 16, 8).astype(dtype)
    valid = np.ones(values.shape, np.bool_)
    valid[1, 3] = False
    scaled = Stretch.of(((10, 100), (120, 222.5))).apply(values, valid)
    assert scaled.dtype == np.uint8
    for band, (low, high) in enumerate(((10, 100), (120, 222.5))):
        wanted = np.clip((values[band].astype(float) - low) / (high - low) * 255, 0, 255)
        assert np.abs(scaled[band].astype(float) - np.where(valid[band], wanted, 0)).max() <= 0.5001


def test_bytes_get_the_values_that_wider_types_get() -> None:
    values = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    valid = np.ones(values.shape, np.bool_)
    stretch = Stretch.of(((3.7, 99.1), (0, 255), (200, 201)))
    assert np.array_equal(stretch.apply(values, valid), stretch.apply(values.astype(np.uint16), valid))
