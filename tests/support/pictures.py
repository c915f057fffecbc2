"""Small tiles that hand-crafted descriptors tell apart: stripes of a direction and width, with noise of a seed."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def striped(
    angle: float,
    period: float = 16.0,
    seed: int = 0,
    size: int = 128,
    form: str = "PNG",
    tint: tuple[float, float, float] = (1.0, 0.8, 0.6),
) -> bytes:
    """An RGB picture of stripes at `angle` degrees; tint: share of each colour."""
    rows, columns = np.mgrid[:size, :size]
    phase = np.cos(np.radians(angle)) * columns + np.sin(np.radians(angle)) * rows
    wave = 127 + 90 * np.sin(2 * np.pi * phase / period)
    noise = np.random.default_rng(seed).normal(0, 6, (size, size, 3))
    pixels = np.clip(wave[..., np.newaxis] * tint + noise, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()
