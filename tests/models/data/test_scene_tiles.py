"""Tiles of scenes without labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.data.errors import DataError
from models.data.scene_tiles import cut_scenes
from tests.support import images


def scene(path: Path, pixels: NDArray[np.generic]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    images.geotiff(path, pixels)


def test_tiles_are_cut_row_by_row_and_empty_ones_left_out(tmp_path: Path) -> None:
    pixels = np.full((4, 40, 50), 9, np.uint8)
    pixels[:3, :16, 16:32] = np.array([50, 60, 70])[:, None, None]
    pixels[:, 16:32, :16] = 0
    scene(tmp_path / "b" / "scene.tif", pixels)
    scene(tmp_path / "a.tif", np.full((3, 16, 16), 200, np.uint8))
    found = cut_scenes(tmp_path, 16, 8)
    assert found.shape == (1 + 6 - 1, 8, 8, 3)
    assert found[:, 4, 4].tolist() == [[200] * 3, [9] * 3, [50, 60, 70], [9] * 3, [9] * 3, [9] * 3]


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.zeros((2, 16, 16), np.uint8), "three or more of uint8"),
        (np.zeros((3, 16, 16), np.uint16), "three or more of uint8"),
        (np.ones((3, 8, 8), np.uint8), "no GeoTIFF .* of at least 16 x 16"),
    ],
)
def test_what_gives_no_tile_is_refused(tmp_path: Path, pixels: NDArray[np.generic], reason: str) -> None:
    scene(tmp_path / "scene.tif", pixels)
    with pytest.raises(DataError, match=reason):
        cut_scenes(tmp_path, 16, 8)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "scene.tif").write_bytes(b"II*\x00 no more")
    with pytest.raises(DataError, match=r"scene\.tif: cannot be read"):
        cut_scenes(tmp_path, 16, 8)
