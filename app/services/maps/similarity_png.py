"""Draws a similarity layer: footprints where they are large enough to be seen, else cells with the best or mean value."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from app.services.maps.colours import palette
from app.services.maps.mercator import SIZE, MapTile
from app.services.maps.similarity_layer import SimilarityLayer

CELL = 4
"""Pixels of a side of a cell."""
Aggregate = Literal["best", "mean"]


@dataclass(frozen=True, slots=True)
class Style:
    """How a layer is drawn. min_probability: lower values are not shown. opacity: 0 to 1. aggregate: of values in a cell."""

    colormap: str = "viridis"
    min_probability: float = 0.0
    opacity: float = 0.8
    aggregate: Aggregate = "best"


def draw(layer: SimilarityLayer, tile: MapTile, style: Style) -> bytes:
    """A PNG of 256 x 256 pixels, transparent where nothing is."""
    rows = layer.within(tile)
    rows = rows[layer.values[rows] >= style.min_probability]
    image = Image.new("P", (SIZE, SIZE), 0)
    if len(rows):
        if is_coarse(layer, tile):
            image = Image.fromarray(_cells(layer, tile, rows, style.aggregate))
        else:
            _footprints(ImageDraw.Draw(image), layer, tile, rows)
    image.putpalette(np.vstack([np.zeros((1, 3), np.uint8), palette(style.colormap)[1:]]).tobytes())
    buffer = io.BytesIO()
    alpha = bytes([0]) + bytes([round(style.opacity * 255)]) * 255
    image.save(buffer, "PNG", transparency=alpha, compress_level=3)
    return buffer.getvalue()


def is_coarse(layer: SimilarityLayer, tile: MapTile) -> bool:
    """Whether the footprints are smaller than a cell."""
    return layer.width * (1 << tile.z) * SIZE < CELL


def cell_values(
    layer: SimilarityLayer, tile: MapTile, rows: NDArray[np.intp], aggregate: Aggregate
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(C, C) values of the cells of a tile, NaN in empty ones, and (C, C) numbers of parts."""
    count = SIZE // CELL
    at = np.floor(tile.pixels(layer.centres[rows], count)).astype(np.int64)
    inside = ((at >= 0) & (at < count)).all(axis=1)
    cells, values = at[inside, 1] * count + at[inside, 0], layer.values[rows][inside].astype(np.float64)
    numbers = np.bincount(cells, minlength=count * count)
    if aggregate == "best":
        found = np.full(count * count, -1.0)
        found[cells] = values  # ascending, so that the best one is written last
    else:
        found = np.bincount(cells, values, count * count) / np.maximum(numbers, 1)
    found[numbers == 0] = np.nan
    return found.reshape(count, count), numbers.reshape(count, count)


def _cells(layer: SimilarityLayer, tile: MapTile, rows: NDArray[np.intp], aggregate: Aggregate) -> NDArray[np.uint8]:
    values, _ = cell_values(layer, tile, rows, aggregate)
    indexes = np.where(np.isnan(values), 0, 1 + np.round(np.nan_to_num(values) * 254)).astype(np.uint8)
    return np.repeat(np.repeat(indexes, CELL, axis=0), CELL, axis=1)


def _footprints(draw: ImageDraw.ImageDraw, layer: SimilarityLayer, tile: MapTile, rows: NDArray[np.intp]) -> None:
    points, part = shapely.get_coordinates(layer.shapes[rows], return_index=True)
    rings = np.split(tile.pixels(points), np.flatnonzero(np.diff(part)) + 1)
    colours = 1 + np.round(layer.values[rows] * 254).astype(np.int64)
    for ring, colour in zip(rings, colours.tolist(), strict=True):
        draw.polygon(ring.ravel().tolist(), fill=colour)
