"""The grid covers everything with full windows."""

from __future__ import annotations

import numpy as np
import pytest

from app.imagery.raster import windows


@pytest.mark.parametrize(
    ("width", "height", "size", "stride"),
    [(100, 70, 32, 32), (64, 64, 64, 64), (65, 64, 64, 64), (30, 200, 64, 64), (30, 20, 64, 10), (200, 100, 64, 16),
     (128, 128, 32, 33)],
)  # fmt: skip
def test_grid(width: int, height: int, size: int, stride: int) -> None:
    found = list(windows.grid(width, height, size, stride))
    assert len(found) == windows.count(width, height, size, stride)
    assert len(set(found)) == len(found)
    assert found == sorted(found, key=lambda window: (window.row, window.col))
    covered = np.zeros((height, width), np.bool_)
    for window in found:
        assert (window.width, window.height) == (min(size, width), min(size, height))
        assert window.col >= 0
        assert window.row >= 0
        assert window.col + window.width <= width
        assert window.row + window.height <= height
        covered[window.row : window.row + window.height, window.col : window.col + window.width] = True
    assert covered.all() or stride > size


def test_the_last_window_is_shifted_inward() -> None:
    assert list(windows.offsets(100, 32, 32)) == [0, 32, 64, 68]
    assert list(windows.offsets(96, 32, 32)) == [0, 32, 64]


def test_counting_needs_no_walking() -> None:
    assert windows.count(2**31, 2**31, 256, 256) == 2**46
