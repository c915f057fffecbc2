"""Reads PNGs that Pillow cannot read well, by rows: those of 16 bits with colours or alpha, and large ones."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterWindow

from app.imagery.raster.gdal import GDAL_ERRORS, damaged, environment, open_dataset
from app.imagery.raster.palette import lookup_table

SIGNATURE = b"\x89PNG\r\n\x1a\n"
STRIP_BYTES = 8 << 20
PALETTE = 3


class Header(NamedTuple):
    """Of a PNG. colour: the colour type of the standard; 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA."""

    width: int
    height: int
    depth: int
    colour: int
    is_interlaced: bool

    @property
    def channels(self) -> int:
        """Number of channels after decoding; a palette counts as RGBA."""
        return {0: 1, 2: 3, 3: 4, 4: 2, 6: 4}.get(self.colour, 4)


def read_header(head: bytes) -> Header | None:
    """The header of a PNG, from its first 29 bytes or more; None for any other file."""
    if len(head) < 29 or not head.startswith(SIGNATURE) or head[12:16] != b"IHDR":
        return None
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", head[16:29])
    return Header(width, height, depth, colour, bool(interlace))


def read_reduced(source: Path | bytes, header: Header, factor: int) -> NDArray[Any]:
    """The pixels of a PNG, (ceil(H / factor), ceil(W / factor), C) uint8 or uint16, each the mean of factor x factor pixels.

    C: as `Header.channels`. Memory does not grow with the height of the image, unless it is interlaced.

    Raises:
        UnreadableImage: damaged.
    """
    with open_dataset(source, "PNG") as (dataset, _):
        try:
            with environment():
                return np.concatenate(list(_strips(dataset, header, factor)))
        except GDAL_ERRORS as error:
            raise damaged(error) from None


def _strips(dataset: DatasetReader, header: Header, factor: int) -> Iterator[NDArray[Any]]:
    table = lookup_table(dataset) if header.colour == PALETTE else None
    row_bytes = header.width * header.channels * (2 if header.depth == 16 else 1)
    rows = factor * max(1, STRIP_BYTES // (row_bytes * factor))
    for row in range(0, header.height, rows):
        raw = dataset.read(window=RasterWindow(0, row, header.width, min(rows, header.height - row)))
        pixels = np.moveaxis(raw, 0, -1) if table is None else table[raw[0]]
        yield _reduce(np.ascontiguousarray(pixels), factor)


def _reduce(pixels: NDArray[Any], factor: int) -> NDArray[Any]:
    """Mean of factor x factor blocks, weighted by alpha where there is one; those at the far edges may be smaller."""
    if factor == 1:
        return pixels
    if pixels.dtype == np.uint8:
        reduced = np.asarray(Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).reduce(factor))
        return reduced[:, :, None] if reduced.ndim == 2 else reduced
    if pixels.shape[2] in (1, 3):
        return _rounded(_means(pixels, factor), pixels.dtype)
    alpha = _means(pixels[:, :, -1:], factor)
    weight = pixels[:, :, -1:].astype(np.float32)
    colours = _means(pixels[:, :, :-1] * weight, factor) / np.maximum(alpha, 1e-6)
    return _rounded(np.concatenate([colours, alpha], axis=2), pixels.dtype)


def _means(pixels: NDArray[Any], factor: int) -> NDArray[np.float64]:
    rows, columns = (range(0, length, factor) for length in pixels.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(pixels, rows, axis=0, dtype=np.float64), columns, axis=1)
    heights, widths = (np.diff([*starts, length]) for starts, length in zip((rows, columns), pixels.shape[:2], strict=True))
    means: NDArray[np.float64] = sums / (heights[:, None, None] * widths[None, :, None])
    return means


def _rounded(means: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.clip(np.rint(means), 0, np.iinfo(dtype).max).astype(dtype)
