"""Copies of windows of a raster as GeoTIFFs of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader, MemoryFile


@dataclass(frozen=True, slots=True)
class Block:
    """Pixels of a raster. raw: (C, h, w) in the file's type. bands: positions of the C bands in the file, counted from 0.

    mask: (h, w) bool of an internal mask, or None.
    """

    raw: NDArray[Any]
    bands: tuple[int, ...]
    mask: NDArray[np.bool_] | None


@dataclass(frozen=True, slots=True)
class Crops:
    """What the copies of all windows of a raster share. Thread-safe, since the raster is not read again.

    profile: as of rasterio. colours, descriptions: of the bands. colormap: of a palette.
    """

    profile: Mapping[str, Any]
    colours: tuple[ColorInterp, ...]
    descriptions: tuple[str | None, ...]
    colormap: Mapping[int, tuple[int, ...]] | None
    tags: Mapping[str, str]

    @classmethod
    def of(cls, source: DatasetReader, nodata: float | None, tags: Mapping[str, str], *, has_palette: bool) -> Crops:
        """Read what the copies share. nodata: where the raster declares none. tags: of each copy."""
        dtype = np.dtype(source.dtypes[0])
        predictor = 3 if dtype.kind == "f" else 2 if dtype.itemsize <= 4 else 1
        profile = {
            "driver": "GTiff", "count": source.count, "dtype": source.dtypes[0], "compress": "deflate", "zlevel": 1,
            "predictor": predictor, "nodata": source.nodata if nodata is None else nodata,
        }  # fmt: skip
        colormap = source.colormap(1) if has_palette else None
        return cls(profile, tuple(source.colorinterp), tuple(source.descriptions), colormap, tags)

    def write(self, block: Block, place: Mapping[str, Any]) -> bytes:
        """A losslessly compressed GeoTIFF of a block with all bands. place: as of `Placement.profile`."""
        height, width = block.raw.shape[1:]
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), MemoryFile() as memory:
            with memory.open(width=width, height=height, **self.profile, **place) as target:
                if tuple(target.colorinterp) != self.colours:  # GDAL accepts it only before the pixels
                    target.colorinterp = self.colours
                target.descriptions = self.descriptions
                target.update_tags(**self.tags)
                target.write(block.raw)
                if self.colormap is not None:
                    target.write_colormap(1, self.colormap)
                if block.mask is not None:
                    target.write_mask(block.mask)
            return bytes(memory.getbuffer())
