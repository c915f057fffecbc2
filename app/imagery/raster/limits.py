"""Limits of a raster, checked by its header before anything is read."""

from __future__ import annotations

import numpy as np
from rasterio.io import DatasetReader

from app.errors import InvalidInput, TooLarge

MAX_BANDS = 1024
BYTES_PER_PIXEL = 4
"""Memory for one decoded block or window, as a multiple of DYAD_MAX_PIXELS."""
CACHE_BYTES = 256 << 20
"""GDAL's cache of decoded blocks, for the whole process."""


def check_windows_cheap(block_bytes: int) -> None:
    """Check that windows can be read one by one: neighbours share a decoded block only if two blocks fit into the cache.

    Raises:
        TooLarge: they do not fit.
    """
    if 2 * block_bytes > CACHE_BYTES:
        raise TooLarge(
            f"the scene is stored in blocks of {block_bytes >> 20} MiB, which would be decoded again for every tile; the limit"
            f" is {CACHE_BYTES >> 21} MiB. Rewrite it as a Cloud Optimized GeoTIFF: gdal_translate -of COG in.tif out.tif"
        )


def check_readable(source: DatasetReader, max_pixels: int) -> int:
    """Check that a raster can be read by windows; return the bytes of one decoded block.

    Raises:
        TooLarge: too many bands, or blocks that are too large. InvalidInput: complex numbers.
    """
    if source.count > MAX_BANDS:
        raise TooLarge(f"the file has {source.count} bands; the limit is {MAX_BANDS}: write a file with fewer bands")
    if np.dtype(source.dtypes[0]).kind not in "iuf":
        raise InvalidInput(f"values of the type {source.dtypes[0]} are not supported; convert them to real numbers")
    height, width = source.block_shapes[0]
    bands = source.count if source.interleaving is not None and source.interleaving.value == "PIXEL" else 1
    block_bytes = int(height * width * bands * np.dtype(source.dtypes[0]).itemsize)
    if block_bytes > BYTES_PER_PIXEL * max_pixels:
        raise TooLarge(
            f"the file is stored in blocks of {width} x {height} pixels, which cannot be read in parts (DYAD_MAX_PIXELS is"
            f" {max_pixels}); rewrite it as a Cloud Optimized GeoTIFF: gdal_translate -of COG in.tif out.tif"
        )
    return block_bytes
