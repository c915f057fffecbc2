"""Mean and standard deviation of each band, for normalisation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CHUNK = 256


def band_statistics(pixels: NDArray[np.uint8], indices: NDArray[np.int64]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each band over the images at `indices`, on the 0..1 scale.

    pixels: (N, S, S, B) uint8. Only images of the training part belong in `indices`. A constant band gets a deviation of 1.
    """
    total = np.zeros(pixels.shape[3])
    squares = np.zeros(pixels.shape[3])
    # counting the 256 values is exact and needs no float copy of the images
    values = np.arange(256) / 255
    for band in range(pixels.shape[3]):
        counts = np.zeros(256)
        for start in range(0, len(indices), CHUNK):
            counts += np.bincount(pixels[indices[start : start + CHUNK], :, :, band].ravel(), minlength=256)
        total[band], squares[band] = (counts @ values) / counts.sum(), (counts @ values**2) / counts.sum()
    deviation = np.sqrt(np.maximum(squares - total**2, 0))
    deviation[deviation < 1e-6] = 1.0
    return tuple(map(float, total)), tuple(map(float, deviation))
