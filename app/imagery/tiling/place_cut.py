"""Cuts the window of a scene at a place, as the tiles of the scene were cut, for a search by place."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from app.domain.places.geometry import Bounds
from app.domain.tiles import BandRange, Window
from app.imagery.raster.geotiff import Raster, open_raster
from app.imagery.sources.file_kinds import FileKind
from app.imagery.sources.platforms import platform
from app.imagery.tiling.cut_spec import CutSpec
from app.imagery.tiling.scene import find_positions
from app.imagery.tiling.sniffing import sniff_image
from app.imagery.tiling.tile_tags import tile_tags

MAX_TILES = 16
"""A region that is wider or higher than this many tiles is not cut: its picture would have another scale."""


def cut_place(path: Path, spec: CutSpec, bounds: Bounds, stretch: tuple[BandRange, ...] | None) -> bytes | None:
    """The window of a scene around a point, of the size of a tile, or around a box: a GeoTIFF, prepared as its tiles are.

    bounds: of the place; a point has no width. stretch: of the scene's tiles. None if the file is not a scene, the place lies
    outside of it, or it is much larger than a tile.

    Raises:
        UnreadableImage, TooLarge, ModelMismatch, InvalidInput, Busy: the file.
    """
    if sniff_image(path) is FileKind.IMAGE:
        return None
    with open_raster(path, spec.max_pixels) as raster:
        window = _window(raster, spec.tile_size, bounds)
        if window is None:
            return None
        of_scene = platform(raster.tags, path.name)
        positions = find_positions(raster, spec, raster.common(of_scene))
        crops = raster.crops(tile_tags(spec.scaling, positions, stretch, of_scene))
        return crops.write(raster.read(window), raster.place.profile(window))


def _window(raster: Raster, tile_size: int, bounds: Bounds) -> Window | None:
    lons = np.array([bounds.west, bounds.east, bounds.east, bounds.west])
    lats = np.array([bounds.north, bounds.north, bounds.south, bounds.south])
    found = raster.place.pixels_at((lons + 180) % 360 - 180, lats)
    if found is None or not (np.isfinite(found[0]).all() and np.isfinite(found[1]).all()):
        return None
    (cols, rows), is_point = found, bounds.west == bounds.east and bounds.south == bounds.north
    col, row = float(cols.mean()), float(rows.mean())
    if not (0 <= col < raster.width and 0 <= row < raster.height):
        return None
    width = tile_size if is_point else max(round(float(np.ptp(cols))), tile_size // 4, 1)
    height = tile_size if is_point else max(round(float(np.ptp(rows))), tile_size // 4, 1)
    width, height = min(width, raster.width), min(height, raster.height)
    if max(width, height) > MAX_TILES * tile_size:
        return None
    left = min(max(round(col - width / 2), 0), raster.width - width)
    top = min(max(round(row - height / 2), 0), raster.height - height)
    return Window(left, top, width, height)
