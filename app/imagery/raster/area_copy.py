"""Copies an area of a large raster, of which only the needed parts are read, to a file with the same grid."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader
from rasterio.warp import transform_bounds
from rasterio.windows import Window
from typing_extensions import override

from app.domain.places.geometry import Bounds
from app.errors import InvalidInput, TooLarge
from app.imagery.raster.gdal import GDAL_ERRORS, damaged, environment, written
from app.imagery.raster.windows import TileGrid, offsets

Box = tuple[float, float, float, float]
"""left, bottom, right, top in the CRS of a raster."""
Readable = IO[bytes] | io.RawIOBase
"""A seekable file."""
NAME = "scene.tif"
STEP = 1024


class Elsewhere(InvalidInput):
    """The area is outside of a raster."""


@contextmanager
def open_file(file: Readable) -> Iterator[DatasetReader]:
    """Open a TIFF through a seekable file; GDAL reads no other file, and sends no requests itself.

    Raises:
        UnreadableImage: damaged, or not a TIFF.
    """

    def opener(path: str, mode: str = "rb") -> io.RawIOBase:
        if not path.endswith((NAME, "test")):  # rasterio tries the opener with the name `test`
            raise FileNotFoundError(path)
        return _Shared(file)

    with ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            stack.enter_context(environment())
            dataset = stack.enter_context(rasterio.open(NAME, driver="GTiff", opener=opener))
        except GDAL_ERRORS as error:
            raise damaged(error) from None
        yield dataset


def covering(dataset: DatasetReader, area: Bounds, grid: TileGrid) -> Box:
    """The box, in the CRS of the raster, of all windows of the grid that meet an area in degrees.

    Raises:
        Elsewhere: there are none. InvalidInput: the raster has no CRS, or is rotated.
    """
    if not dataset.crs or dataset.transform.b or dataset.transform.d or dataset.transform.a <= 0 or dataset.transform.e >= 0:
        raise InvalidInput("only an area of a north-up georeferenced TIFF can be read by itself")
    try:
        boxes = [
            transform_bounds("OGC:CRS84", dataset.crs, each.west, each.south, each.east, each.north, densify_pts=21)
            for each in area.shifts()
        ]
    except GDAL_ERRORS as error:
        raise Elsewhere(f"the area is not in the system of the raster ({error})") from None
    for box in boxes:
        found = [_meeting(low, high, length, grid) for low, high, length in _pixels(dataset, box)]
        columns, rows = found
        if columns is not None and rows is not None:
            place = dataset.transform
            left, right = (place.c + place.a * col for col in columns)
            top, bottom = (place.f + place.e * row for row in rows)
            return left, bottom, right, top
    raise Elsewhere("the raster does not meet the bbox of the request")


def _pixels(dataset: DatasetReader, box: Box) -> tuple[tuple[float, float, int], tuple[float, float, int]]:
    """Lowest and highest pixel of a box, and the number of pixels, of both axes."""
    grid = dataset.transform
    left, right = ((x - grid.c) / grid.a for x in (box[0], box[2]))
    top, bottom = ((y - grid.f) / grid.e for y in (box[3], box[1]))
    return (left, right, dataset.width), (top, bottom, dataset.height)


def _meeting(low: float, high: float, length: int, grid: TileGrid) -> tuple[int, int] | None:
    """First and last pixel (exclusive) of the windows of one axis that meet a range of pixels; None if there are none."""
    size = min(grid.size, length)
    starts = [start for start in offsets(length, grid.size, grid.stride) if start < high and start + size > low]
    return (starts[0], starts[-1] + size) if starts and low < high else None


def window_of(dataset: DatasetReader, box: Box) -> Window:
    """The pixels of a raster that a box contains, also in part."""
    (low_col, high_col, width), (low_row, high_row, height) = _pixels(dataset, box)
    left, top = max(0, math.floor(low_col + 1e-6)), max(0, math.floor(low_row + 1e-6))
    right, bottom = min(width, math.ceil(high_col - 1e-6)), min(height, math.ceil(high_row - 1e-6))
    return Window(left, top, right - left, bottom - top)


def check_area(window: Window, pixel_bytes: int, max_bytes: int) -> None:
    """Raise `TooLarge` if the pixels of a window take more than `max_bytes`."""
    size = int(window.width * window.height) * pixel_bytes
    if size > max_bytes:
        raise TooLarge(f"the area takes {size >> 20} MiB, more than {max_bytes >> 20} MiB (DYAD_MAX_UPLOAD_MB)")


def copy_area(dataset: DatasetReader, box: Box, target: Path, max_bytes: int, check: Callable[[], None]) -> None:
    """Write a TIFF with the same grid, in which only the pixels of a box have values; others are nodata, masked or transparent.

    max_bytes: limit of the uncompressed pixels of the box. check: called between reads, to stop.

    Raises:
        UnreadableImage: damaged. TooLarge: the box is larger than `max_bytes`.
    """
    window = window_of(dataset, box)
    indexes = list(dataset.indexes)
    check_area(window, len(indexes) * np.dtype(dataset.dtypes[0]).itemsize, max_bytes)
    with written(target), environment(), internal_mask():
        _copy(dataset, window, indexes, target, check)


def internal_mask() -> rasterio.Env:
    """The GDAL environment in which masks are written into the file."""
    return rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True)


def _copy(dataset: DatasetReader, window: Window, indexes: list[int], target: Path, check: Callable[[], None]) -> None:
    colours = [dataset.colorinterp[index - 1] for index in indexes]
    has_mask = dataset.nodata is None and ColorInterp.alpha not in colours
    profile: dict[str, Any] = {
        "driver": "GTiff", "width": dataset.width, "height": dataset.height, "count": len(indexes), "dtype": dataset.dtypes[0],
        "nodata": dataset.nodata, "crs": dataset.crs, "transform": dataset.transform, "compress": "deflate", "zlevel": 1,
        "tiled": True, "blockxsize": 256, "blockysize": 256, "sparse_ok": True, "bigtiff": "if_safer",
    }  # fmt: skip
    with rasterio.open(target, "w", **profile) as output:
        output.colorinterp = colours
        output.descriptions = tuple(dataset.descriptions[index - 1] for index in indexes)
        output.update_tags(**dataset.tags())
        if imagery := dataset.tags(ns="IMAGERY"):
            output.update_tags(ns="IMAGERY", **imagery)
        if colours[0] == ColorInterp.palette:
            output.write_colormap(1, dataset.colormap(1))
        is_masked = MaskFlags.per_dataset in dataset.mask_flag_enums[0] and ColorInterp.alpha not in colours
        for part in parts_of(window):
            check()
            output.write(dataset.read(indexes, window=part), window=part)
            if has_mask:
                shape = (int(part.height), int(part.width))
                mask = dataset.dataset_mask(window=part) if is_masked else np.full(shape, 255, np.uint8)
                output.write_mask(mask, window=part)


def parts_of(window: Window) -> Iterator[Window]:
    """A window in pieces along the blocks of the target."""
    top, bottom, left, right = window.row_off, window.row_off + window.height, window.col_off, window.col_off + window.width
    for row in range(int(top // STEP * STEP), int(bottom), STEP):
        for col in range(int(left // STEP * STEP), int(right), STEP):
            begin_row, begin_col = max(row, top), max(col, left)
            yield Window(begin_col, begin_row, min(col + STEP, right) - begin_col, min(row + STEP, bottom) - begin_row)


class _Shared(io.RawIOBase):
    """One of several openings of a file, with its own position; its owner closes the file itself."""

    def __init__(self, file: Readable) -> None:
        super().__init__()
        self._file = file
        self._at = 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._at

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._file.seek(self._at)
        self._at = self._file.seek(offset, whence)
        return self._at

    @override
    def read(self, size: int | None = -1) -> bytes:
        self._file.seek(self._at)
        found = self._file.read(-1 if size is None else size) or b""
        self._at += len(found)
        return found
