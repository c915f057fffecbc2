"""The parameters of cutting (`CutSpec`) and its result (`CutTile`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.collections import Scaling
from app.domain.places.geometry import GeoJSON
from app.domain.tiles import BandRange, Grid, Window


@dataclass(frozen=True, slots=True)
class CutSpec:
    """The tile parameters of a collection and its model.

    tile_size, stride: pixels of the source raster. bands: 1-based indexes or names, None for the first ones
    (red, green, blue if the file has them). band_count: input bands of the model. input_size: S, side of the model's input
    in pixels. max_pixels: DYAD_MAX_PIXELS. min_valid: windows with a smaller share of valid pixels are skipped.
    band_names: of the model's input, to compare with those of the file; empty if unknown.
    """

    tile_size: int
    stride: int
    bands: tuple[int | str, ...] | None
    band_count: int
    scaling: Scaling
    input_size: int
    max_pixels: int
    min_valid: float = 0.5
    band_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CutTile:
    """One tile, ready to embed and to store.

    window: None if the whole file is the tile. pixels: (S, S, B) uint8, 0..255, 0 where invalid.
    image: served by `/image`: the file itself, or a window of it as GeoTIFF; image_suffix: `.jpg`, `.tif`, ...
    preview: JPEG or PNG of at most 256 x 256 pixels, None if `image` is an 8-bit grey or RGB(A) image that browsers can show.
    geometry: footprint in WGS 84. datetime: acquisition, UTC. gsd: metres. None if unknown. stretch, grid: as in `Tile`.
    """

    window: Window | None
    pixels: NDArray[np.uint8]
    image: bytes | Path
    image_suffix: str
    preview: bytes | None
    geometry: GeoJSON | None = None
    datetime: datetime | None = None
    gsd: float | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    stretch: tuple[BandRange, ...] | None = None
    grid: Grid | None = None
