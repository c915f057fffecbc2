"""Tiles of scenes that have no labels, for training terms that need none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.errors import RasterioError

from models.data.errors import DataError

BANDS = (1, 2, 3)
MAX_EMPTY = 0.05
"""Share of pixels that are 0 in all bands, above which a tile is left out."""


def cut_scenes(folder: Path, side: int, size: int) -> NDArray[np.uint8]:
    """All square tiles of the 8-bit GeoTIFFs below a folder, of their first three bands, row by row and file by file.

    side: of a tile in the scene, pixels. Returns (N, size, size, 3) uint8, resized.

    Raises:
        DataError: a file cannot be read, is not 8-bit or has fewer bands, or no tile is found.
    """
    tiles = [tile for path in sorted(folder.rglob("*.tif")) for tile in _tiles(_pixels(path), side, size)]
    if not tiles:
        raise DataError(f"{folder}: no GeoTIFF (*.tif) of at least {side} x {side} pixels")
    return np.stack(tiles)


def _pixels(path: Path) -> NDArray[np.uint8]:
    try:
        with rasterio.open(path) as source:
            if source.count < len(BANDS) or set(source.dtypes) != {"uint8"}:
                raise DataError(f"{path}: {source.count} bands of {source.dtypes[0]}; three or more of uint8 are needed")
            pixels: NDArray[np.uint8] = np.ascontiguousarray(np.moveaxis(source.read(BANDS), 0, -1))
    except RasterioError as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    return pixels


def _tiles(pixels: NDArray[np.uint8], side: int, size: int) -> list[NDArray[np.uint8]]:
    found = []
    for top in range(0, pixels.shape[0] - side + 1, side):
        for left in range(0, pixels.shape[1] - side + 1, side):
            tile = pixels[top : top + side, left : left + side]
            if float((tile == 0).all(axis=2).mean()) <= MAX_EMPTY:
                found.append(np.asarray(Image.fromarray(tile).resize((size, size), Image.Resampling.BICUBIC)))
    return found
