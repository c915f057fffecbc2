"""The tile grid WebMercatorQuad in units of the world: x and y from 0 to 1, from the upper left corner."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.places.crs import MAX_LATITUDE
from app.errors import InvalidInput

SIZE = 256
"""Pixels of a side of a tile."""
MAX_ZOOM = 24


@dataclass(frozen=True, slots=True)
class MapTile:
    """A tile of the grid: its zoom, column and row."""

    z: int
    x: int
    y: int

    def __post_init__(self) -> None:
        if not (0 <= self.z <= MAX_ZOOM and 0 <= self.x < 1 << self.z and 0 <= self.y < 1 << self.z):
            raise InvalidInput(
                f"tile {self.z}/{self.x}/{self.y} does not exist: zooms are 0 to {MAX_ZOOM}, columns and rows 0 to 2^zoom - 1"
            )

    def pixels(self, points: NDArray[np.float64], size: int = SIZE) -> NDArray[np.float64]:
        """(N, 2) world units as pixels of this tile."""
        return (points * (1 << self.z) - (self.x, self.y)) * size

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees."""
        count = 1 << self.z
        west, east = self.x / count * 360 - 180, (self.x + 1) / count * 360 - 180
        return west, _latitude((self.y + 1) / count), east, _latitude(self.y / count)


def to_world(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 2) longitudes and latitudes in world units; latitudes beyond the grid are moved to its edge."""
    latitudes = np.radians(points[:, 1].clip(-MAX_LATITUDE, MAX_LATITUDE))
    return np.column_stack([points[:, 0] / 360 + 0.5, 0.5 - np.arcsinh(np.tan(latitudes)) / (2 * math.pi)])


def _latitude(y: float) -> float:
    return math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * y))))
