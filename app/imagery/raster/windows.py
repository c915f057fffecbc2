"""The grid of windows into which a scene is cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.domain.tiles import Window


@dataclass(frozen=True, slots=True)
class TileGrid:
    """The windows into which scenes are cut: side and distance in pixels."""

    size: int = 256
    stride: int = 256


def offsets(length: int, size: int, stride: int) -> range | list[int]:
    """Offsets of the windows on one axis, in pixels.

    The last one is shifted inward so that it ends at the edge: if stride <= size, full-size windows cover everything. A raster
    shorter than a window has one window, at 0.
    """
    if length <= size:
        return range(1)
    steps = range(0, length - size + 1, stride)
    return steps if steps[-1] == length - size else [*steps, length - size]


def count(width: int, height: int, size: int, stride: int) -> int:
    """Number of windows of `grid`."""
    return _axis_count(width, size, stride) * _axis_count(height, size, stride)


def grid(width: int, height: int, size: int, stride: int) -> Iterator[Window]:
    """The windows of a raster of width x height pixels, row by row; smaller than size x size only if the raster is."""
    columns = offsets(width, size, stride)
    for row in offsets(height, size, stride):
        for col in columns:
            yield Window(col, row, min(size, width), min(size, height))


def _axis_count(length: int, size: int, stride: int) -> int:
    return 1 if length <= size else -(-(length - size) // stride) + 1
