"""Prepares the uploaded image of a search as the tiles of the index are prepared (docs/search.md)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from app.domain.places.geometry import GeoJSON, parse_region
from app.domain.queries.search import TileFilter
from app.domain.tiles import BandRange, Tile
from app.errors import InvalidInput
from app.imagery.tiling.cut_spec import CutSpec
from app.imagery.tiling.query import QueryImage, prepare_query
from app.ports import VectorStore

SAMPLE = 64
"""Tiles of the index that are read for its usual stretch and ground sample distance."""
MAX_RATIO = 2.5
"""A query that covers this many times the width of a tile, or its inverse, is reported."""

Ranges = tuple[BandRange, ...]


def prepare(vectors: VectorStore, index: str, image: Path | bytes, spec: CutSpec) -> QueryImage:
    """Decode an uploaded image for an index. Its notes also say if it covers much more or less ground than a tile.

    Raises:
        UnreadableImage, TooLarge, InvalidInput, ModelMismatch, Busy: the image.
    """
    sample = _Sample(vectors, index)
    query = prepare_query(image, spec, sample.choose_stretch)
    about_scale = None if query.gsd is None else sample.compare_scale(query, spec)
    if about_scale is None:
        return query
    return QueryImage(query.pixels, query.gsd, query.width, (*query.notes, about_scale))


class _Sample:
    """Tiles of an index, read on the first use. Ids are digests, so the first ones are a random sample."""

    def __init__(self, vectors: VectorStore, index: str) -> None:
        self._vectors = vectors
        self._index = index
        self._found: Sequence[Tile] | None = None

    def choose_stretch(self, footprint: GeoJSON | None, own: Ranges) -> Ranges | None:
        """The stretch of the scene at the footprint; else the usual one of the index's scenes; None: that of the query itself.

        Only stretches that fit the values of the query are considered. Tiles that are whole files have stretches of their own.
        """
        if footprint is not None:
            here = _fitting(self._read(_filter(footprint)), own)
            if here:
                return min(here, key=lambda ranges: _distance(ranges, own))
        tiles = self._tiles
        scenes = [tile for tile in tiles if tile.window is not None]
        fitting = _fitting(scenes, own)
        if not fitting or 2 * len(scenes) < len(tiles):
            return None
        low, high = np.median(np.array(fitting), axis=0).T
        return tuple((float(start), float(end)) for start, end in zip(low, high, strict=True))

    def compare_scale(self, query: QueryImage, spec: CutSpec) -> str | None:
        """A warning if the query covers much more or less ground than the tiles of the index; None if not, or if unknown."""
        known = [(tile.gsd, tile.gsd * _width(tile, spec)) for tile in self._tiles if tile.gsd]
        if not known or query.gsd is None:
            return None
        gsd, width = (float(number) for number in np.median(np.array(known), axis=0))
        ratio = query.gsd * query.width / width
        if 1 / MAX_RATIO <= ratio <= MAX_RATIO:
            return None
        return (
            f"the query is {query.gsd * query.width:.3g} m wide ({query.gsd:.3g} m per pixel), the tiles"
            f" {width:.3g} m ({gsd:.3g} m), so scales differ; send an image that covers about the ground of a tile"
        )

    @property
    def _tiles(self) -> Sequence[Tile]:
        if self._found is None:
            self._found = self._read(TileFilter())
        return self._found

    def _read(self, filter: TileFilter) -> Sequence[Tile]:
        return self._vectors.scroll(self._index, limit=SAMPLE, filter=filter).tiles


def _filter(footprint: GeoJSON) -> TileFilter:
    try:
        return TileFilter(region=parse_region(footprint))
    except InvalidInput:
        return TileFilter(ids=())


def _width(tile: Tile, spec: CutSpec) -> float:
    return spec.tile_size if tile.window is None else (tile.window.width + tile.window.height) / 2


def _fitting(tiles: Sequence[Tile], own: Ranges) -> list[Ranges]:
    """Stretches of windows of scenes that fit the values of a query."""
    known = (tile.stretch for tile in tiles if tile.window is not None and tile.stretch is not None)
    return [ranges for ranges in known if len(ranges) == len(own) and all(map(_fits, ranges, own))]


def _fits(scene: BandRange, own: BandRange) -> bool:
    """Whether values with the percentiles `own` may come from a scene with this stretch."""
    width, middle = scene[1] - scene[0], (own[0] + own[1]) / 2
    return width / 1000 <= own[1] - own[0] <= 4 * width and scene[0] - width <= middle <= scene[1] + width


def _distance(ranges: Ranges, own: Ranges) -> float:
    """Sum of the differences of the limits, as shares of the widths of `ranges`."""
    return sum((abs(a[0] - b[0]) + abs(a[1] - b[1])) / (a[1] - a[0]) for a, b in zip(ranges, own, strict=True))
