"""To the square that a model looks at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def to_square(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resize (H, W, B) uint8 to (size, size, B), antialiased, ignoring the aspect; the same array where the size fits."""
    if pixels.shape[:2] == (size, size):
        return np.ascontiguousarray(pixels)
    if pixels.shape[2] == 3:
        return np.asarray(_resize(pixels, size))
    return np.stack([_resize(pixels[:, :, band], size) for band in range(pixels.shape[2])], axis=-1)


def _resize(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    # Pillow widens the triangle to the scale, so it does not alias; bicubic looks no better to a model and takes twice as long.
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0))
