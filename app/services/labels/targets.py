"""Finds the tiles to which the rows of a label file refer."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import GeometryType, Point, STRtree

from app.domain.places.geometry import Region, footprint_centre, parse_bbox
from app.domain.queries.search import TileFilter
from app.domain.tiles import Tile
from app.ports import VectorStore
from app.services.labels.rows import LabelRow, RowNote, shown

BATCH = 500
"""Names per query."""
PAGE = 250
"""Tiles per read; small, because the embedded vector store holds the interpreter lock and searches would wait."""
CELLS = 8
"""Columns and rows of a grid; places are looked up cell by cell, so that few tiles are read for places far apart."""
_MARGIN = 1e-7

Geometries = NDArray[Any]
"""(N,) shapely geometries."""


@dataclass(frozen=True, slots=True)
class Match:
    """A row and the ids of its tiles, possibly none."""

    row: LabelRow
    ids: Sequence[str]


class Targets:
    """Looks up the tiles of one index by name and by place."""

    def __init__(self, vectors: VectorStore, index: str) -> None:
        self._vectors = vectors
        self._index = index

    def by_name(self, rows: Sequence[LabelRow]) -> Iterator[Match | RowNote]:
        """The tiles of the source with the row's name, else of the only source whose last part is the last part of that name.

        If several sources have that last part, or rows name several files with it, the row is returned as a note.
        """
        names = {row.name for row in rows if row.name is not None}
        found = self._of_sources(sorted(names))
        paths: defaultdict[str, set[str]] = defaultdict(set)
        for name in names - found.keys():
            paths[_last_part(name)].add(name)
        ends = self._of_last_parts(paths.keys())
        for row in rows:
            name = row.name or ""
            if name in found:
                yield Match(row, found[name])
                continue
            last = _last_part(name)
            sources = ends.get(last, {})
            if len(sources) > 1:
                first, second, *_ = sorted(sources)
                reason = f"{len(sources)} files have this name, such as {first} and {second}: use `source` instead"
                yield RowNote(row.line, row.target, reason)
            elif sources and len(paths[last] - {last}) > 1:
                first, second, *_ = sorted(paths[last] - {last})
                reason = f"{shown(first)} and {shown(second)} both match {next(iter(sources))}: use `source` or `id` instead"
                yield RowNote(row.line, row.target, reason)
            else:
                yield Match(row, next(iter(sources.values()), ()))

    def by_place(self, rows: Sequence[LabelRow]) -> Iterator[Match]:
        """The tiles whose footprint contains a point of the row's place, or whose centre lies in its area."""
        places: Geometries = np.array([row.place for row in rows], dtype=object)
        ids: defaultdict[int, list[str]] = defaultdict(list)
        for cell in _cells(places):
            matcher = _Matcher(places[cell])
            for tiles in self._pages(TileFilter(region=_around(places[cell]))):
                for tile, place in matcher.pairs(tiles):
                    ids[int(cell[place])].append(tiles[tile].id)
        for number, row in enumerate(rows):
            yield Match(row, ids.get(number, ()))

    def _of_sources(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Ids of the tiles of each existing source."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for at in range(0, len(names), BATCH):
            for tiles in self._pages(TileFilter(sources=tuple(names[at : at + BATCH]))):
                for tile in tiles:
                    found[tile.source].append(tile.id)
        return dict(found)

    def _of_last_parts(self, names: Set[str]) -> dict[str, dict[str, list[str]]]:
        """Ids of the tiles of each source that ends with one of these names, by name and source."""
        found: dict[str, dict[str, list[str]]] = {}
        after, is_last = None, not names
        while not is_last:
            page = self._vectors.scroll_sources(self._index, limit=PAGE, after=after)
            for item, source in page.sources:
                name = source.rsplit("/", 1)[-1]
                if name in names:
                    found.setdefault(name, {}).setdefault(source, []).append(item)
            after, is_last = page.after, page.after is None
        return found

    def _pages(self, filter: TileFilter) -> Iterator[list[Tile]]:
        after, is_last = None, False
        while not is_last:
            page = self._vectors.scroll(self._index, limit=PAGE, filter=filter, after=after)
            if page.tiles:
                yield page.tiles
            after, is_last = page.after, page.after is None


def _last_part(name: str) -> str:
    """The file name of a path with slashes or backslashes."""
    return name.replace("\\", "/").rsplit("/", 1)[-1]


class _Matcher:
    """Matches places with tiles."""

    def __init__(self, places: Geometries) -> None:
        is_area = shapely.get_dimensions(places) == 2
        self._points, self._areas = np.flatnonzero(~is_area), np.flatnonzero(is_area)
        self._point_tree, self._area_tree = STRtree(places[~is_area]), STRtree(places[is_area])

    def pairs(self, tiles: Sequence[Tile]) -> Iterator[tuple[int, int]]:
        """Pairs of indexes of tiles (all with a geometry) and of the places that match them."""
        footprints: Geometries = shapely.from_geojson([json.dumps(tile.geometry) for tile in tiles])
        if self._points.size:
            tile, point = self._point_tree.query(footprints, predicate="intersects")
            yield from zip(tile.tolist(), self._points[point].tolist(), strict=True)
        if self._areas.size:
            tile, area = self._area_tree.query(_centres(tiles, footprints), predicate="intersects")
            yield from zip(tile.tolist(), self._areas[area].tolist(), strict=True)


def _centres(tiles: Sequence[Tile], footprints: Geometries) -> Geometries:
    """Centres of footprints; multi-polygons may lie on both sides of the antimeridian and are handled separately."""
    centres: Geometries = shapely.centroid(footprints)
    for at in np.flatnonzero(shapely.get_type_id(footprints) == GeometryType.MULTIPOLYGON).tolist():
        centres[at] = Point(footprint_centre(tiles[at].geometry or {}))
    return centres


def _cells(places: Geometries) -> Iterator[NDArray[np.intp]]:
    """Indexes of the places in each grid cell that has any."""
    west, south, east, north = shapely.bounds(places).T
    columns, rows = (_steps((low + high) / 2) for low, high in ((west, east), (south, north)))
    number = rows * CELLS + columns
    for cell in np.unique(number):
        yield np.flatnonzero(number == cell)


def _steps(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """(N,) grid coordinates, 0 to `CELLS` - 1, of values between their minimum and maximum."""
    low, span = values.min(), np.ptp(values)
    steps: NDArray[np.intp] = np.minimum((values - low) / (span or 1.0) * CELLS, CELLS - 1).astype(np.intp)
    return steps


def _around(places: Geometries) -> Region:
    west, south, east, north = shapely.total_bounds(places)
    return parse_bbox(
        (
            max(west - _MARGIN, -180.0),
            max(south - _MARGIN, -90.0),
            min(east + _MARGIN, 180.0),
            min(north + _MARGIN, 90.0),
        )
    )
