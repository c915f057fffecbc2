"""Local binary patterns by colour channel: texture at the scale of two pixels (Ojala et al. 2002).

Each pixel is compared with 16 points on a circle of radius 2 around it. Patterns with at most two changes around the circle
are counted by their number of ones (0 to 16), all others together: 18 numbers a channel that do not change when the tile
turns, 54 for RGB. Equal to scikit-image's `local_binary_pattern(..., 16, 2, "uniform")` inside the tile, but whole planes
at a time: 150 instead of 18 tiles/s on one core. The two outermost pixels, whose circles leave the tile, are not counted.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.inference.handcrafted.threads import HandCrafted
from models.bundle.card import ModelCard

POINTS = 16
RADIUS = 2
PATTERNS = POINTS + 2

CARD = ModelCard(
    id="lbp-rgb",
    title="LBP-RGB",
    description="Local binary patterns of each colour: 16 points, radius 2. Untrained; knows texture, turned as it may be.",
    kind="hand-crafted",
    input_size=256,
    bands=("red", "green", "blue"),
    dimension=3 * PATTERNS,
    licence="Apache-2.0",
    training_data="none",
)


class _Point(NamedTuple):
    """A point of the circle: whole pixels down and right of the centre, and the rest in [0, 1)."""

    row: int
    row_part: np.float32
    col: int
    col_part: np.float32


def _circle() -> tuple[_Point, ...]:
    """The points counter-clockwise from the right."""
    points = []
    for k in range(POINTS):
        angle = 2 * math.pi * k / POINTS
        # Rounded, so that points on the axes fall on pixels.
        down, right = round(-RADIUS * math.sin(angle), 5), round(RADIUS * math.cos(angle), 5)
        row, col = math.floor(down), math.floor(right)
        points.append(_Point(row, np.float32(down - row), col, np.float32(right - col)))
    return tuple(points)


def _pattern_table() -> NDArray[np.uint8]:
    """(65536,): which of the 18 patterns each 16-bit code is."""
    bits = (np.arange(1 << POINTS)[:, np.newaxis] >> np.arange(POINTS)) & 1
    changes = (bits != np.roll(bits, 1, axis=1)).sum(axis=1)
    return np.where(changes <= 2, bits.sum(axis=1), POINTS + 1).astype(np.uint8)


_CIRCLE = _circle()
_PATTERN = _pattern_table()


def describe(tile: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(S, S, B) uint8 to (B * 18,): how often each pattern occurs among the inner (S - 4, S - 4) pixels, band by band."""
    values = tile.transpose(2, 0, 1).astype(np.float32, order="C")  # (B, S, S); all bands at once scale better over threads
    bands, height, width = values.shape[0], values.shape[1] - 2 * RADIUS, values.shape[2] - 2 * RADIUS
    centre = values[:, RADIUS:-RADIUS, RADIUS:-RADIUS]
    codes = np.zeros((bands, height, width), dtype=np.uint16)
    for bit, point in enumerate(_CIRCLE):
        top, left = RADIUS + point.row, RADIUS + point.col
        rows = values[:, top : top + height + (point.row_part > 0)]
        # `a + part * (b - a)` is exact where a = b: flat ground always counts as "not darker".
        seen = rows[:, :, left : left + width]
        if point.col_part > 0:
            seen = seen + point.col_part * (rows[:, :, left + 1 : left + 1 + width] - seen)
        if point.row_part > 0:
            seen = seen[:, :-1] + point.row_part * (seen[:, 1:] - seen[:, :-1])
        codes |= (seen >= centre).astype(np.uint16) << np.uint16(bit)
    patterns = _PATTERN[codes].reshape(bands, -1)
    return np.concatenate([np.bincount(band, minlength=PATTERNS) for band in patterns]).astype(np.float64)


def lbp_rgb(threads: int) -> HandCrafted:
    """The model `lbp-rgb`."""
    return HandCrafted(CARD, describe, threads)
