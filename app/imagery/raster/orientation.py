"""The turn that brings the pixels of a raster north up, by quarter turns and flips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Turn:
    """Swaps the axes, then reverses rows and columns. The default leaves pixels unchanged."""

    is_transposed: bool = False
    is_upside_down: bool = False
    is_mirrored: bool = False

    @classmethod
    def of(cls, matrix: tuple[float, float, float, float]) -> Turn:
        """The turn closest to north up. matrix: `a, b, d, e` of the geotransform, x = a col + b row, y = d col + e row."""
        a, b, d, e = matrix
        along, across = (abs(a) + abs(d)) or 1.0, (abs(b) + abs(e)) or 1.0
        if abs(b) / across + abs(d) / along > abs(a) / along + abs(e) / across:
            return cls(is_transposed=True, is_upside_down=d > 0, is_mirrored=b < 0)
        return cls(is_upside_down=e > 0, is_mirrored=a < 0)

    def apply(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Turn (..., H, W) pixels; a view of them."""
        if self.is_transposed:
            pixels = pixels.swapaxes(-1, -2)
        rows = slice(None, None, -1) if self.is_upside_down else slice(None)
        columns = slice(None, None, -1) if self.is_mirrored else slice(None)
        return pixels[..., rows, columns]
