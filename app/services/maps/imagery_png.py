"""Draws the imagery of a collection from the pictures of its tiles."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from PIL import Image
from rasterio.io import MemoryFile
from shapely.geometry import shape

from app.domain.places.geometry import parse_bbox
from app.domain.queries.search import TileFilter
from app.domain.temporal import Interval
from app.domain.tiles import Tile
from app.errors import DyadError, InvalidInput
from app.imagery.raster.gdal import GDAL_ERRORS
from app.ports import VectorStore
from app.services.catalogue.items import ItemService
from app.services.maps.mercator import SIZE, MapTile, to_world

MAX_DRAWN = 256
"""Tiles that are drawn into one map tile: where there are more, they are too small to be seen."""


class ImageryMap:
    """Draws map tiles of the imagery of an index."""

    def __init__(self, items: ItemService, vectors: VectorStore) -> None:
        self._items = items
        self._vectors = vectors

    def draw(self, index: str, tile: MapTile, interval: Interval | None, bands: Sequence[int] | None) -> bytes:
        """A PNG of 256 x 256 pixels: the tiles of the index there, the newest on top.

        bands: 1-based numbers of three bands, or one, of the stored images; None for the pictures of the tiles.

        Raises:
            InvalidInput: an image has no such band.
        """
        west, south, east, north = tile.bounds
        tile_filter = TileFilter(region=parse_bbox([west, south, east, north]), interval=interval)
        found = self._vectors.scroll(index, limit=MAX_DRAWN, filter=tile_filter).tiles
        canvas = Image.new("RGBA", (SIZE, SIZE))
        for each in sorted(found, key=lambda each: (each.datetime is not None, each.datetime, each.id)):
            self._paste(canvas, tile, each, bands)
        buffer = io.BytesIO()
        canvas.save(buffer, "PNG", compress_level=3)
        return buffer.getvalue()

    def _paste(self, canvas: Image.Image, at: MapTile, tile: Tile, bands: Sequence[int] | None) -> None:
        if tile.geometry is None:
            return
        corners = at.pixels(to_world(shapely.get_coordinates(shape(tile.geometry))))
        left, top = (int(each) for each in np.floor(corners.min(axis=0)))
        right, bottom = (int(each) for each in np.ceil(corners.max(axis=0)))
        if right - left > 64 * SIZE or bottom - top > 64 * SIZE:
            return
        try:
            picture = self._picture(tile, bands)
        except DyadError as error:
            if isinstance(error, InvalidInput):
                raise
            return  # its image is missing or damaged: the others are shown
        size = max(right - left, 1), max(bottom - top, 1)
        box = _part_of(picture.size, size, (left, top))
        if box is None:
            return
        target, source = box
        shown = picture.resize((target[2] - target[0], target[3] - target[1]), Image.Resampling.BILINEAR, source)
        canvas.alpha_composite(shown, (target[0], target[1]))

    def _picture(self, tile: Tile, bands: Sequence[int] | None) -> Image.Image:
        if bands is None:
            data, _, _ = self._items.thumbnail(tile, SIZE)
            with Image.open(io.BytesIO(data)) as image:
                return image.convert("RGBA")
        return _of_bands(self._items.image(tile)[0], bands)


def _part_of(
    picture: tuple[int, int], size: tuple[int, int], at: tuple[int, int]
) -> tuple[tuple[int, int, int, int], tuple[float, float, float, float]] | None:
    """The part of the canvas that a picture of this size at this place covers, and that part of the picture."""
    left, top = max(at[0], 0), max(at[1], 0)
    right, bottom = min(at[0] + size[0], SIZE), min(at[1] + size[1], SIZE)
    if left >= right or top >= bottom:
        return None
    wide, high = picture[0] / size[0], picture[1] / size[1]
    source = ((left - at[0]) * wide, (top - at[1]) * high, (right - at[0]) * wide, (bottom - at[1]) * high)
    return (left, top, right, bottom), source


def _of_bands(data: bytes, bands: Sequence[int]) -> Image.Image:
    """Bands of a stored image, each stretched from its 2nd to its 98th percentile."""
    try:
        with warnings.catch_warnings(), MemoryFile(data) as memory:
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            with memory.open() as source:
                if max(bands) > source.count:
                    raise InvalidInput(f"bands: the images of this collection have {source.count} bands, not {max(bands)}")
                values = source.read(list(bands), masked=True)
    except GDAL_ERRORS:
        return Image.new("RGBA", (1, 1))
    shown = np.stack([_stretched(band) for band in values])
    rgb = np.repeat(shown, 3, axis=0) if len(shown) == 1 else shown
    alpha = np.where(np.ma.getmaskarray(values).all(axis=0), 0, 255).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(np.moveaxis(np.concatenate([rgb, alpha[np.newaxis]]), 0, -1)))


def _stretched(band: np.ma.MaskedArray[tuple[int, ...], np.dtype[np.float64]]) -> NDArray[np.uint8]:
    valid = band.compressed()
    low, high = np.percentile(valid, (2, 98)) if len(valid) else (0.0, 1.0)
    scaled = (band.filled(low).astype(np.float64) - low) / ((high - low) or 1.0)
    return np.asarray(np.round(scaled.clip(0, 1) * 255), np.uint8)
