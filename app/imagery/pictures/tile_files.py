"""Writes a tile's pixels as a lossless image file in a common format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio import Affine

from app.imagery.raster.gdal import environment


def tile_suffix(pixels: NDArray[np.uint8]) -> str:
    """`.png` for three bands, `.tif` for any other number."""
    return ".png" if pixels.shape[2] == 3 else ".tif"


def write_tile(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write (H, W, B) uint8 to a PNG or a TIFF, by the suffix of `path`.

    Raises:
        OSError: it cannot be written.
    """
    if path.suffix == ".png":
        Image.fromarray(pixels).save(path, compress_level=1)
        return
    height, width, bands = pixels.shape
    form = {"driver": "GTiff", "width": width, "height": height, "count": bands, "dtype": "uint8"}
    # a transform in pixel units, because readers warn about files without one
    with environment(), rasterio.open(path, "w", transform=Affine(1, 0, 0, 0, -1, height), **form) as file:
        file.write(np.moveaxis(pixels, -1, 0))
