"""Tiles of a few textures that the shipped model tells apart, but not well."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CLASSES = ("coarse", "fine", "plain")
_PERIODS = (23.0, 17.0, 0.0)


class Tiles(NamedTuple):
    """pixels: (N, 128, 128, 3) uint8. labels: (N, 3) bool, one of `CLASSES` each; every fourth tile of N has none."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.bool_]


def make_tiles(count: int, seed: int = 0) -> Tiles:
    """Stripes of two periods, and none, in random directions and colours, with noise."""
    random = np.random.default_rng(seed)
    across, down = np.meshgrid(np.arange(128), np.arange(128))
    pixels = np.empty((count, 128, 128, 3), dtype=np.uint8)
    kinds = np.arange(count) % len(CLASSES)
    for number, kind in enumerate(kinds):
        angle, phase = random.uniform(0, np.pi), random.uniform(0, 6)
        period = _PERIODS[kind]
        wave = np.sin((across * np.cos(angle) + down * np.sin(angle)) * 2 * np.pi / period + phase) if period else 0 * across
        plane = random.uniform(90, 160, 3) + 40 * wave[..., np.newaxis] + random.normal(0, 25, (128, 128, 3))
        pixels[number] = plane.clip(0, 255)
    labels = np.eye(len(CLASSES), dtype=np.bool_)[kinds]
    labels[3::4] = False
    return Tiles(pixels, labels)
