"""Region filters: conditions that an engine can evaluate, and the exact test of the tiles that it returns.

The engine indexes the centre and bounds of a tile, not its footprint. So a region filter is first a necessary condition in the
engine (the centre is near enough, the bounds overlap), and then a test of each candidate's footprint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from app.domain.places.geometry import Bounds, Region
from app.stores.vectors.conditions import EVERYTHING, Between, Condition, PointIn, Where
from app.stores.vectors.payload import GEO_INDEX, Payload, bounds_of, footprint_of

# So that rounding loses no tile that just touches the region; about 0.1 mm.
_MARGIN = 1e-9
# Boxes of 180 degrees or more, or up to a pole, are filtered by the bounds only: Qdrant Edge 0.9.0 misses points in a geo box
# that reaches longitude +-180 on both sides or latitude +-90, and such a box hardly narrows a search.
_WIDEST = 180.0
_HIGHEST = 89.9
_PLACED = Where(must=(Between("north", low=-90.0),))
_NOWHERE = Where(must=(Between("west", low=1.0, high=0.0),))


@dataclass(frozen=True, slots=True)
class Reach:
    """The largest half width and half height, in degrees, of the bounds of any tile in an index."""

    lon: float
    lat: float


def near(region: Region, reach: Reach | None) -> Where:
    """A condition that every tile in the region fulfils. reach: None if no tile has a geometry."""
    if reach is None:
        return _NOWHERE
    if _is_world(region.bounds):
        return _PLACED
    bounds = region.bounds
    centres = _centre_in(_grown(bounds, reach.lon + _MARGIN, reach.lat + _MARGIN))
    # If tiles are small compared with the region, testing the centres alone is enough, at a third of the cost.
    is_small = reach.lon <= (bounds.east - bounds.west) / 2 and reach.lat <= (bounds.north - bounds.south) / 2
    return centres if centres != EVERYTHING and is_small else centres & overlapping(bounds)


def inside_and_edge(region: Region, reach: Reach | None) -> tuple[Where | None, Where]:
    """Two disjoint conditions: tiles certainly in the region (None: unknown), and tiles whose footprint must be tested.

    Together they match every tile that meets the region.
    """
    bounds = region.bounds
    if reach is None or not region.geometry.equals(shapely.box(bounds.west, bounds.south, bounds.east, bounds.north)):
        return None, near(region, reach)
    if _is_world(bounds):
        return _PLACED, _NOWHERE
    inner = _grown(bounds, -reach.lon - _MARGIN, -reach.lat - _MARGIN)
    inside = _centre_in(inner)
    if inside == EVERYTHING or inner.east <= inner.west or inner.north <= inner.south:
        inside = _contained(bounds)
        return inside, Where(must=(near(region, reach),), never=(inside,))
    return inside, Where(must=(_frame(bounds, reach),), never=(inside,))


def meets(region: Region, payloads: Sequence[Payload]) -> NDArray[np.bool_]:
    """(N,) bool: whether each tile's footprint meets the region. payloads: with the fields of a record and of bounds."""
    shapely.prepare(region.geometry)
    answer = np.zeros(len(payloads), bool)
    places = [(row, place) for row, payload in enumerate(payloads) if (place := bounds_of(payload)) is not None]
    if not places:
        return answer
    rows = np.array([row for row, _ in places])
    corners = np.array([(place.west, place.south, place.east, place.north) for _, place in places])
    within, apart = _by_bounds(region, corners)
    answer[rows] = within
    for row in rows[~within & ~apart]:
        answer[row] = region.intersects(footprint_of(payloads[row]))
    return answer


def overlapping(bounds: Bounds) -> Where:
    """Tiles whose bounds overlap these."""
    return _any_turn(
        [
            (
                Between("west", high=turned.east + _MARGIN),
                Between("east", low=turned.west - _MARGIN),
                Between("south", high=turned.north + _MARGIN),
                Between("north", low=turned.south - _MARGIN),
            )
            for turned in bounds.shifts()
        ]
    )


def _by_bounds(region: Region, corners: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Two (N,) bool: bounds inside the region, bounds disjoint from it. corners: (N, 4) west, south, east, north."""
    has_area = (corners[:, 2] > corners[:, 0]) & (corners[:, 3] > corners[:, 1]) & (region.geometry.area > 0)
    within, apart = np.zeros(len(corners), bool), has_area.copy()
    for turn in (0.0, 360.0, -360.0):
        boxes = shapely.box(corners[:, 0] + turn, corners[:, 1], corners[:, 2] + turn, corners[:, 3])
        within |= has_area & shapely.contains_properly(region.geometry, boxes)
        apart &= shapely.disjoint(region.geometry, boxes)
    return within, apart


def _is_world(bounds: Bounds) -> bool:
    return bounds.east - bounds.west >= 360 and bounds.south <= -90 and bounds.north >= 90


def _grown(bounds: Bounds, lon: float, lat: float) -> Bounds:
    return Bounds(bounds.west - lon, bounds.south - lat, bounds.east + lon, bounds.north + lat)


def _centre_in(bounds: Bounds) -> Where:
    """Tiles whose centre is in a box (unwrapped; west may be below -180); `EVERYTHING` if the box is too large."""
    south, north = max(bounds.south, -_HIGHEST), min(bounds.north, _HIGHEST)
    if bounds.east - bounds.west >= _WIDEST or south > bounds.south or north < bounds.north:
        return EVERYTHING
    west = (bounds.west + 180) % 360 - 180
    east = west + (bounds.east - bounds.west)
    if east < 180:
        return Where(must=(PointIn(GEO_INDEX, west, south, east, north),))
    parts = PointIn(GEO_INDEX, west, south, 180.0, north), PointIn(GEO_INDEX, -180.0, south, east - 360, north)
    return Where(some=parts)


def _frame(bounds: Bounds, reach: Reach) -> Where:
    """Tiles whose centre is so near a side of the box that they may cross it."""
    lon, lat = reach.lon + 2 * _MARGIN, reach.lat + 2 * _MARGIN
    outer = _grown(bounds, lon, lat)
    sides = (
        Bounds(outer.west, outer.south, bounds.west + lon, outer.north),
        Bounds(bounds.east - lon, outer.south, outer.east, outer.north),
        Bounds(outer.west, outer.south, outer.east, bounds.south + lat),
        Bounds(outer.west, bounds.north - lat, outer.east, outer.north),
    )
    strips = tuple(_centre_in(side) for side in sides)
    return overlapping(bounds) if EVERYTHING in strips else Where(some=strips)


def _contained(bounds: Bounds) -> Where:
    """Tiles whose bounds lie inside these."""
    return _any_turn(
        [
            (
                Between("west", low=turned.west),
                Between("east", high=turned.east),
                Between("south", low=turned.south),
                Between("north", high=turned.north),
            )
            for turned in bounds.shifts()
        ]
    )


def _any_turn(turns: Sequence[tuple[Condition, ...]]) -> Where:
    if len(turns) == 1:
        return Where(must=turns[0])
    return Where(some=tuple(Where(must=turn) for turn in turns))
