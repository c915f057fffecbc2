"""Prepares the image of a search as the tiles of its collection are prepared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.domain.places.geometry import GeoJSON
from app.domain.tiles import BandRange
from app.imagery.pictures.decode import decode
from app.imagery.raster.decode_budget import QUERY_SECONDS
from app.imagery.raster.geotiff import Raster, open_raster
from app.imagery.sources.file_kinds import FileKind
from app.imagery.sources.platforms import platform
from app.imagery.tiling.cut_spec import CutSpec
from app.imagery.tiling.pictures import picture_pixels
from app.imagery.tiling.scene import find_positions, mask_fill, read_whole, to_model, whole_place
from app.imagery.tiling.sniffing import sniff_image
from app.imagery.tiling.tile_tags import is_tile, recorded_stretch
from app.imagery.values import bands, scaling
from app.imagery.values.statistics import sample_values

Ranges = tuple[BandRange, ...]
ChooseStretch = Callable[[GeoJSON | None, Ranges], Ranges | None]
"""Chooses the stretch of a query by its footprint and its own percentiles; None for the latter."""


@dataclass(frozen=True, slots=True)
class QueryImage:
    """An image to search for. pixels: (S, S, B) uint8, north up.

    gsd: metres per pixel, None if unknown. width: mean of its sides in pixels. notes: what was assumed, for the user.
    """

    pixels: NDArray[np.uint8]
    gsd: float | None = None
    width: float = 0.0
    notes: tuple[str, ...] = ()


def _own_percentiles(footprint: GeoJSON | None, own: Ranges) -> None:
    return None


def prepare_query(
    data: bytes | Path, spec: CutSpec, choose: ChooseStretch = _own_percentiles, name: str = "image"
) -> QueryImage:
    """Decode a query image of any format as one tile; a GeoTIFF is not cut.

    Values that are scaled by percentiles get the stretch that a tile image of the collection carries, else that of `choose`,
    else that of their own percentiles.

    Raises:
        UnreadableImage, TooLarge, InvalidInput, ModelMismatch: as `cut`.
    """
    if sniff_image(data) is FileKind.IMAGE:
        picture = decode(data, spec.max_pixels, spec.input_size, QUERY_SECONDS)
        pixels, own = picture_pixels(picture, spec)
        if own.ranges is not None and scaling.fixed(spec.scaling, picture.values.dtype, spec.band_count) is None:
            chosen = choose(None, own.ranges)
            if chosen is not None:
                pixels, _ = picture_pixels(picture, spec, scaling.Stretch.of(chosen))
        return QueryImage(pixels)
    with open_raster(data, spec.max_pixels, QUERY_SECONDS) as raster:
        return _prepare_raster(raster, spec, choose, name)


def _prepare_raster(raster: Raster, spec: CutSpec, choose: ChooseStretch, name: str) -> QueryImage:
    common = raster.common(platform(raster.tags, name))
    positions = find_positions(raster, spec, common)
    is_cut = is_tile(raster.tags)
    fill = None if is_cut else mask_fill(raster, positions)
    geometry, gsd = whole_place(raster)
    recorded = recorded_stretch(raster.tags, spec.scaling, positions)
    stretch = scaling.fixed(spec.scaling, raster.dtype, len(positions))
    if stretch is None and recorded is not None:
        stretch = scaling.Stretch.of(recorded)
    if stretch is None:
        stretch = scaling.fit(spec.scaling, *sample_values(raster, positions, positions)[0])
        chosen = None if stretch.ranges is None else choose(geometry, stretch.ranges)
        stretch = stretch if chosen is None else scaling.Stretch.of(chosen)
    is_small = raster.width <= spec.tile_size and raster.height <= spec.tile_size
    block = raster.read(positions=positions) if is_cut and is_small else read_whole(raster, positions, spec)
    pixels = to_model(*raster.bands(block, positions), stretch, spec)
    notes = (raster.page_note, fill, bands.misfit(common, positions, spec.band_names))
    return QueryImage(pixels, gsd, (raster.width + raster.height) / 2, tuple(note for note in notes if note))
