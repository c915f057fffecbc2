"""Resizing to the square input of a model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def to_square(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resize (H, W, B) uint8 to (size, size, B), antialiased, without keeping the aspect ratio."""
    if pixels.shape[:2] == (size, size):
        return np.ascontiguousarray(pixels)
    if pixels.shape[2] == 3:
        return np.asarray(_resize(pixels, size))
    return np.stack([_resize(pixels[:, :, band], size) for band in range(pixels.shape[2])], axis=-1)


def _resize(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    # Pillow scales the bilinear filter, so it does not alias; bicubic gives a model no better input and takes twice as long.
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0))
