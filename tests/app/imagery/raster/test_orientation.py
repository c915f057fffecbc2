"""Pixels for the model and previews are north up, however the raster is stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rasterio import Affine

from app.imagery.tiling.tiler import read_query, read_tile
from tests.support import images
from tests.support.cutting import spec, tiles

X, Y = 500_000, 5_200_000
STORED: dict[str, tuple[Callable[[NDArray[Any]], NDArray[Any]], Affine]] = {
    "upside down": (lambda a: a[:, ::-1], Affine(1, 0, X, 0, 1, Y - 64)),
    "mirrored": (lambda a: a[:, :, ::-1], Affine(-1, 0, X + 64, 0, -1, Y)),
    "half turn": (lambda a: a[:, ::-1, ::-1], Affine(-1, 0, X + 64, 0, 1, Y - 64)),
    "quarter turn right": (lambda a: np.rot90(a, -1, (1, 2)), Affine(0, 1, X, 1, 0, Y - 64)),
    "quarter turn left": (lambda a: np.rot90(a, 1, (1, 2)), Affine(0, -1, X + 64, -1, 0, Y)),
    "transposed": (lambda a: a.swapaxes(1, 2), Affine(0, 1, X, -1, 0, Y)),
    "nearly north up": (lambda a: a, Affine(0.98, 0.17, X, 0.17, -0.98, Y)),
}


@pytest.mark.parametrize("name", STORED)
def test_a_turned_raster_is_turned_back(tmp_path: Path, name: str) -> None:
    store, transform = STORED[name]
    values = images.textured(3, 64, 64)
    upright = tiles(images.geotiff(tmp_path / "upright.tif", values))[0]
    turned = tiles(images.geotiff(tmp_path / "turned.tif", np.ascontiguousarray(store(values)), transform=transform))[0]
    np.testing.assert_array_equal(turned.pixels, upright.pixels)
    assert turned.preview == upright.preview
    np.testing.assert_array_equal(read_tile(turned.image, spec(), turned.stretch, window=turned.window), upright.pixels)
    np.testing.assert_array_equal(read_query(tmp_path / "turned.tif", spec()), upright.pixels)


def test_a_file_without_a_place_is_not_turned(tmp_path: Path) -> None:
    values = images.textured(3, 64, 64)
    pixels = read_query(images.plain_tif(tmp_path / "x.tif", values), spec())
    np.testing.assert_array_equal(pixels, np.moveaxis(values, 0, -1))
