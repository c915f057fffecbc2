"""The footprints of all tiles of an index as arrays for drawing, and the numbers of tiles by date."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import shape

from app.domain.temporal import Interval
from app.domain.tiles import Tile
from app.services.maps.mercator import to_world
from app.services.maps.similarity_layer import SimilarityLayer, Value

RING = 5
"""Points of the ring of a quadrangle; nearly all footprints are one, and those are converted together."""
NOTHING = np.iinfo(np.int64).min
"""The number that stands for NaT."""


@dataclass(frozen=True, slots=True)
class FootprintLayer(SimilarityLayer):
    """The footprints of tiles; all values are 1. times: (N,) datetime64[s] in UTC, NaT if unknown."""

    times: NDArray[np.datetime64]

    def facts(self, row: int) -> dict[str, Value]:
        """Properties of a footprint in a vector tile."""
        time = self.times[row]
        return {"id": self.ids[row], **({} if np.isnat(time) else {"datetime": f"{time}Z"})}

    def cell_facts(self, value: float, count: int) -> dict[str, Value]:
        """Properties of a cell in a vector tile."""
        return {"count": count}

    def during(self, interval: Interval) -> FootprintLayer:
        """The footprints of the tiles that were acquired in an interval."""
        kept = ~np.isnat(self.times)
        if interval.start is not None:
            kept &= self.times >= _seconds(interval.start)
        if interval.end is not None:
            kept &= self.times <= _seconds(interval.end)
        return FootprintLayer(
            shapes=self.shapes[kept],
            boxes=self.boxes[kept],
            values=self.values[kept],
            ids=[self.ids[row] for row in np.flatnonzero(kept)],
            ranks=self.ranks[kept],
            probabilities=self.probabilities[kept],
            times=self.times[kept],
        )


@dataclass(frozen=True, slots=True)
class Overview:
    """All tiles of an index. layer: those with a place. dates: numbers of tiles by date (UTC), ascending. undated: number of
    tiles without a date.
    """

    layer: FootprintLayer
    dates: list[tuple[str, int]]
    undated: int


def overview_of(tiles: Iterable[Tile]) -> Overview:
    """The overview of the tiles of an index."""
    ids, geometries, placed, every = list[str](), list[Any](), list[datetime | None](), list[datetime | None]()
    for tile in tiles:
        every.append(tile.datetime)
        if tile.geometry is not None:
            ids.append(tile.id)
            geometries.append(tile.geometry)
            placed.append(tile.datetime)
    parts, owners = shapely.get_parts(_shapes(geometries), return_index=True)
    moved = shapely.transform(parts, to_world) if len(parts) else parts
    times = _times(every)
    days, counts = np.unique(times[~np.isnat(times)].astype("datetime64[D]"), return_counts=True)
    layer = FootprintLayer(
        shapes=moved,
        boxes=shapely.bounds(moved).reshape(len(moved), 4),
        values=np.ones(len(moved), np.float32),
        ids=[ids[owner] for owner in owners],
        ranks=np.zeros(len(moved), np.int64),
        probabilities=np.full(len(moved), np.nan, np.float32),
        times=_times(placed)[owners],
    )
    return Overview(
        layer, [(str(day), int(count)) for day, count in zip(days, counts, strict=True)], int(np.isnat(times).sum())
    )


def _shapes(geometries: Sequence[Any]) -> NDArray[np.object_]:
    """Geometries of GeoJSON objects."""
    found = np.empty(len(geometries), object)
    simple = [row for row, each in enumerate(geometries) if _is_quadrangle(each)]
    if simple:
        points = np.array([[point[:2] for point in geometries[row]["coordinates"][0]] for row in simple], np.float64)
        found[simple] = shapely.polygons(points)
    for row in {*range(len(geometries))} - {*simple}:
        found[row] = shape(geometries[row])
    return found


def _is_quadrangle(geometry: Any) -> bool:
    return geometry["type"] == "Polygon" and len(geometry["coordinates"]) == 1 and len(geometry["coordinates"][0]) == RING


def _times(times: Sequence[datetime | None]) -> NDArray[np.datetime64]:
    """UTC times as datetime64[s], NaT for None."""
    seconds = [NOTHING if each is None else math.floor(each.timestamp()) for each in times]
    return np.array(seconds, np.int64).view("datetime64[s]")


def _seconds(time: datetime) -> np.datetime64:
    return np.datetime64(math.floor(time.timestamp()), "s")
