"""The results of a search as arrays for drawing: footprints in world units with a value from 0 to 1."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import shape

from app.domain.queries.search import Match
from app.services.maps.mercator import MapTile, to_world

Value = str | float | int
"""The value of a property in a vector tile."""


@dataclass(frozen=True, slots=True)
class SimilarityLayer:
    """N parts of footprints, by ascending value; a footprint that crosses the antimeridian has two.

    shapes: (N,) polygons and boxes: (N, 4) min x, min y, max x, max y, in world units. values: (N,) float32 in 0..1.
    ids, ranks: of the results. probabilities: (N,) float32, NaN if unknown.
    """

    shapes: NDArray[np.object_]
    boxes: NDArray[np.float64]
    values: NDArray[np.float32]
    ids: list[str]
    ranks: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    centres: NDArray[np.float64] = field(init=False)
    width: float = field(init=False)
    """(N, 2) centres of the boxes, and the median of their widths."""

    def __post_init__(self) -> None:
        boxes = self.boxes
        object.__setattr__(self, "centres", (boxes[:, :2] + boxes[:, 2:]) / 2)
        object.__setattr__(self, "width", float(np.median(boxes[:, 2] - boxes[:, 0])) if len(boxes) else 0.0)

    def within(self, tile: MapTile, margin: float = 0.0) -> NDArray[np.intp]:
        """Rows of the parts that meet a tile, the lowest value first. margin: around the tile, in parts of its side."""
        low = (np.array((tile.x, tile.y)) - margin) / (1 << tile.z)
        high = (np.array((tile.x, tile.y)) + 1 + margin) / (1 << tile.z)
        boxes = self.boxes
        return np.flatnonzero(
            (boxes[:, 0] < high[0]) & (boxes[:, 2] > low[0]) & (boxes[:, 1] < high[1]) & (boxes[:, 3] > low[1])
        )

    def facts(self, row: int) -> dict[str, Value]:
        """Properties of a footprint in a vector tile."""
        found: dict[str, Value] = {"id": self.ids[row], "rank": int(self.ranks[row]), "value": float(self.values[row])}
        if not np.isnan(self.probabilities[row]):
            found["match_probability"] = float(self.probabilities[row])
        return found

    def cell_facts(self, value: float, count: int) -> dict[str, Value]:
        """Properties of a cell in a vector tile. count: of its tiles."""
        return {"value": value, "count": count}

    @property
    def bounds(self) -> list[float] | None:
        """West, south, east, north in degrees; None without any part."""
        if not len(self.boxes):
            return None
        west, north = self.boxes[:, :2].min(axis=0)
        east, south = self.boxes[:, 2:].max(axis=0)
        latitudes = np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * np.array([south, north])))))
        return [float(west) * 360 - 180, float(latitudes[0]), float(east) * 360 - 180, float(latitudes[1])]


def layer_of(matches: Iterable[Match]) -> SimilarityLayer:
    """The layer of the results of a search, in rank order.

    The value is the match probability. Results without one come after those with one: their values descend from the lowest
    probability to 0 with the similarity. If none has one, the value is the similarity, stretched from the last to the first.
    """
    ids, shapes, rows = list[str](), list[shapely.Geometry](), list[tuple[int, float, float]]()
    for rank, match in enumerate(matches, 1):
        if match.tile.geometry is None:
            continue
        known = float("nan") if match.probability is None else match.probability
        for part in shapely.get_parts(shape(match.tile.geometry)):
            ids.append(match.tile.id)
            shapes.append(part)
            rows.append((rank, match.similarity, known))
    table = np.array(rows, np.float64).reshape(len(rows), 3)
    moved = shapely.transform(np.array(shapes, object), to_world) if shapes else np.empty(0, object)
    boxes = shapely.bounds(moved).reshape(len(shapes), 4)
    values = _values(table[:, 1], table[:, 2])
    order = np.argsort(values, kind="stable")
    return SimilarityLayer(
        shapes=moved[order],
        boxes=boxes[order],
        values=values[order],
        ids=[ids[row] for row in order],
        ranks=table[order, 0].astype(np.int64),
        probabilities=table[order, 2].astype(np.float32),
    )


def _values(similarities: NDArray[np.float64], probabilities: NDArray[np.float64]) -> NDArray[np.float32]:
    values = probabilities.copy()
    unknown = np.isnan(values)
    if unknown.any():
        ceiling = 1.0 if unknown.all() else float(np.nanmin(values))
        low, high = similarities[unknown].min(), similarities[unknown].max()
        share = (similarities[unknown] - low) / (high - low) if high > low else np.ones(int(unknown.sum()))
        values[unknown] = share * ceiling
    return values.clip(0, 1).astype(np.float32)
