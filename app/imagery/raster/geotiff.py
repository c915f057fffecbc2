"""Reads TIFF and JPEG 2000 rasters through GDAL by windows, without reading any other file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterWindow

from app.domain.tiles import Window
from app.imagery.raster.common_names import common_names
from app.imagery.raster.crops import Block, Crops
from app.imagery.raster.decode_budget import BUDGET
from app.imagery.raster.gdal import GDAL_ERRORS, damaged, environment, open_dataset
from app.imagery.raster.limits import check_readable
from app.imagery.raster.nodata import differs
from app.imagery.raster.palette import CMYK, cmyk_to_rgb, lookup_table
from app.imagery.raster.placement import Placement
from app.imagery.raster.tiff_pages import main_page
from app.imagery.raster.world_files import WorldFile
from app.imagery.sources.file_kinds import is_jpeg2000
from app.ports.stopping import check_stop

WORKING_COPIES = 4
"""Memory for a window while it is scaled, as a multiple of its raw values."""


class Raster:
    """An open raster. Bands are counted from 0 here; a palette or CMYK counts as the colours red, green, blue.

    names: of the bands, from their descriptions, else their colours, else None. alpha: position of the alpha band or None.
    dtype: of the values that `bands` returns. overview_factor: decimation of the coarsest overview, 1 without overviews.
    is_simple: the file is a TIFF whose first page is read, so a copy of it needs no other information.
    page_note: which pages are left out, None if none. block_bytes: of one decoded block. place: its placement on Earth.
    """

    def __init__(
        self,
        dataset: DatasetReader,
        max_pixels: int,
        *,
        has_place: bool = True,
        is_simple: bool = True,
        seconds: float | None = None,
    ) -> None:
        """has_place: whether the geotransform of `dataset` is defined. seconds: how long a read waits for memory."""
        self._dataset = dataset
        self.is_simple = is_simple
        self.page_note: str | None = None
        self._seconds = seconds
        self.place = Placement(dataset, has_transform=has_place)
        self.width, self.height = int(dataset.width), int(dataset.height)
        self.block_bytes = check_readable(dataset, max_pixels)
        colours = dataset.colorinterp
        self._lut = lookup_table(dataset) if colours[0] == ColorInterp.palette else None
        self._is_cmyk = colours[:4] == CMYK and dataset.dtypes[0] == "uint8"
        is_virtual = self._lut is not None or self._is_cmyk
        self.names = list(_RGB) if is_virtual else [_name(*pair) for pair in zip(dataset.descriptions, colours, strict=True)]
        self.alpha = None if is_virtual or ColorInterp.alpha not in colours else colours.index(ColorInterp.alpha)
        self.dtype = np.dtype(np.uint8 if is_virtual else dataset.dtypes[0])
        self._has_mask = self.alpha is None and MaskFlags.per_dataset in dataset.mask_flag_enums[0]
        self.overview_factor = max(dataset.overviews(1), default=1)
        self.nodata = dataset.nodata if MaskFlags.nodata in dataset.mask_flag_enums[0] else None

    @property
    def declares_validity(self) -> bool:
        """Whether the file has a nodata value, an alpha band, a mask or a palette."""
        return self.nodata is not None or self.alpha is not None or self._has_mask or self._lut is not None or self._is_cmyk

    def common(self, platform: str | None = None) -> list[str | None]:
        """Common names of the bands: by their descriptions, or by their colours if these do not name red, green and blue."""
        found = common_names(self.names, platform)
        if self._lut is not None or self._is_cmyk or {"red", "green", "blue"} <= set(found):
            return found
        colours = [_COLOURS.get(colour) for colour in self._dataset.colorinterp]
        return [name or colour for name, colour in zip(found, colours, strict=True)]

    def turned(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """(..., h, w) pixels in the orientation of the file, turned north up."""
        return self.place.turn.apply(pixels)

    def use_world_file(self, world_file: WorldFile) -> None:
        """Use the georeference of a world file."""
        self.place.use(world_file)
        self.is_simple = False

    @property
    def tags(self) -> dict[str, str]:
        """The file's tags in the default and the IMAGERY domain."""
        return {**self._dataset.tags(), **self._dataset.tags(ns="IMAGERY")}

    def read(
        self,
        window: Window | None = None,
        *,
        shape: tuple[int, int] | None = None,
        positions: Sequence[int] | None = None,
        average: bool = False,
    ) -> Block:
        """Read a window (None: everything), decimated to `shape` (height, width) where given.

        positions: read only what `bands` needs for these (None: all bands of the file).
        average: resample by averaging (for images) instead of by nearest pixels (for statistics).

        Raises:
            UnreadableImage: the file is damaged there. Busy: no memory in time. Cancelled, Interrupted: the job has to stop.
        """
        check_stop()
        where = None if window is None else _to_rasterio(window)
        method = Resampling.average if average and self._lut is None else Resampling.nearest
        options = {"window": where, "resampling": method}
        needed = self._needed(positions)
        indexes = [band + 1 for band in needed]
        height, width = shape or ((self.height, self.width) if window is None else (window.height, window.width))
        decoded = height * width * len(needed) * np.dtype(self._dataset.dtypes[0]).itemsize
        try:
            with (
                BUDGET.hold(self.block_bytes + WORKING_COPIES * decoded, self._seconds),
                environment(),
            ):  # masks and overviews are opened here
                raw = self._dataset.read(indexes, out_shape=None if shape is None else (len(needed), *shape), **options)
                mask = self._dataset.read_masks(1, out_shape=shape, **options) > 0 if self._has_mask else None
        except GDAL_ERRORS as error:
            raise damaged(error) from None
        return Block(raw, needed, mask)

    def _needed(self, positions: Sequence[int] | None) -> tuple[int, ...]:
        if positions is None or self._lut is not None or self._is_cmyk:
            return tuple(range(self._dataset.count))
        return tuple(sorted({*positions, *(() if self.alpha is None else (self.alpha,))}))

    def bands(self, block: Block, positions: Sequence[int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Values (B, h, w) of the bands at `positions` of a block, and which are valid, (B, h, w) bool.

        The pixels are turned north up. An alpha band is used as a mask unless it is among the positions. In 8-bit files a
        nodata value in single bands is a colour; a pixel is invalid only if all bands have it. In other types each band is
        tested separately.
        """
        raw = block.raw
        is_virtual = self._lut is not None or self._is_cmyk
        source = raw if is_virtual else raw[[block.bands.index(position) for position in positions]]
        valid = np.ones(source.shape, np.bool_) if self.nodata is None else differs(source, self.nodata)
        if source.dtype.kind == "f":
            valid &= np.isfinite(source)
        elif source.dtype == np.uint8 and self.nodata is not None:
            valid = np.broadcast_to(valid.any(axis=0), valid.shape)
        if block.mask is not None:
            valid = valid & block.mask
        if self.alpha is not None and self.alpha not in positions:
            valid = valid & (raw[block.bands.index(self.alpha)] > 0)
        if not is_virtual:
            return self.place.turn.apply(source), self.place.turn.apply(valid)
        colours, opaque = self._to_rgb(raw)
        opaque = np.broadcast_to(opaque & valid.any(axis=0), (len(positions), *opaque.shape))
        return self.place.turn.apply(colours[list(positions)]), self.place.turn.apply(opaque)

    def _to_rgb(self, raw: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """(3, h, w) uint8 colours of palette indexes or CMYK, and (h, w) whether they are opaque."""
        if self._lut is None:
            return cmyk_to_rgb(raw), np.ones(raw.shape[1:], np.bool_)
        rgba = self._lut[raw[0]]
        return np.moveaxis(rgba[..., :3], -1, 0), rgba[..., 3] > 0

    def window_bytes(self, window: Window) -> int:
        """Bytes of a window with all its bands in memory."""
        return int(window.width * window.height * self._dataset.count * np.dtype(self._dataset.dtypes[0]).itemsize)

    def crops(self, tags: Mapping[str, str]) -> Crops:
        """Writes copies of windows with all bands, CRS, nodata, colours, mask and `tags`."""
        return Crops.of(self._dataset, self.nodata, tags, has_palette=self._lut is not None)


@contextmanager
def open_raster(source: Path | bytes, max_pixels: int, seconds: float | None = None) -> Iterator[Raster]:
    """Open a TIFF or JPEG 2000, a file or its bytes; of a TIFF with several pages, the largest one.

    Raises:
        UnreadableImage: damaged. TooLarge: too many bands, or blocks too large to read. InvalidInput: complex numbers.
    """
    driver, page, note = ("JP2OpenJPEG", 1, None) if is_jpeg2000(source) else ("GTiff", *main_page(source))
    with open_dataset(source, driver, page) as (dataset, has_place):
        try:
            with environment():
                is_simple = driver == "GTiff" and page == 1
                raster = Raster(dataset, max_pixels, has_place=has_place, is_simple=is_simple, seconds=seconds)
        except GDAL_ERRORS as error:
            raise damaged(error) from None
        raster.page_note = note
        yield raster


_RGB = ("red", "green", "blue")
_COLOURS = {ColorInterp.red: "red", ColorInterp.green: "green", ColorInterp.blue: "blue", ColorInterp.alpha: "alpha"}


def _name(description: str | None, colour: ColorInterp) -> str | None:
    return description or _COLOURS.get(colour)


def _to_rasterio(window: Window) -> RasterWindow:
    return RasterWindow(window.col, window.row, window.width, window.height)
