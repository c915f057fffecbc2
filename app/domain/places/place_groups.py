"""Groups of tiles that show the same or adjoining ground. Evaluation keeps a group on one side of every split.

Two tiles of one place look alike whatever their class is: a model that was trained on one of them is not tested by the other.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.affinity import translate
from shapely.geometry import box

from app.domain.tiles import Tile

TOUCHING = 0.05
"""Tiles with a gap of at most this share of a tile's size touch: reprojection leaves gaps between tiles of one grid."""
_EDGE = 0.01
"""Degrees from the antimeridian within which a footprint is also compared with those on the other side."""
_Links = NDArray[np.int64]
"""(2, L) pairs of tile numbers."""


def place_groups(tiles: Sequence[Tile], *, largest: int | None = None) -> NDArray[np.intp]:
    """The group of each tile, (N,), numbered from 0.

    Two tiles are linked if their footprints overlap or touch, at any date and from any file; if they are windows of one file
    that overlap or touch; or if they show the same picture. Tiles that are linked directly or through others are one group. A
    tile without a footprint, a window and a copy is a group of its own.

    largest: maximum number of tiles of a group, at least 1. A larger group, such as a scene that is labelled everywhere, is cut
    in two along a straight line, again and again, so that few tiles have a neighbour in another group. Tiles with the same
    centre are never separated, and such a group may stay larger. None: no maximum.
    """
    if not tiles:
        return np.zeros(0, np.intp)
    shapes = list(shapely.from_geojson([None if tile.geometry is None else json.dumps(tile.geometry) for tile in tiles]))
    links = np.concatenate([_footprint_links(shapes), *_window_links(tiles), _picture_links(tiles)], axis=1)
    # SciPy is slow to import, and the service starts without it.
    from scipy.sparse import coo_array  # type: ignore[import-untyped]
    from scipy.sparse.csgraph import connected_components  # type: ignore[import-untyped]

    matrix = coo_array((np.ones(links.shape[1], np.bool_), (links[0], links[1])), shape=(len(tiles), len(tiles)))
    groups = np.asarray(connected_components(matrix, directed=False)[1], np.intp)
    return groups if largest is None else _cut_large(groups, _centres(tiles, shapes), largest)


def _footprint_links(shapes: Sequence[Any]) -> _Links:
    numbers = np.array([number for number, each in enumerate(shapes) if each is not None], np.int64)
    if len(numbers) < 2:
        return np.zeros((2, 0), np.int64)
    footprints = [shapes[number] for number in numbers]
    found = [numbers[_touching(footprints, footprints)]]
    eastern = [number for number in numbers if shapes[number].bounds[2] > 180 - _EDGE]
    western = [number for number in numbers if shapes[number].bounds[0] < -180 + _EDGE]
    if eastern and western:
        moved = [translate(shapes[number], xoff=360) for number in western]
        across = _touching([shapes[number] for number in eastern], moved)
        found.append(np.stack([np.array(eastern)[across[0]], np.array(western)[across[1]]]))
    return np.concatenate(found, axis=1)


def _window_links(tiles: Sequence[Tile]) -> Iterator[_Links]:
    by_source: dict[str, list[int]] = defaultdict(list)
    for number, tile in enumerate(tiles):
        if tile.window is not None:
            by_source[tile.source].append(number)
    for numbers in by_source.values():
        windows = [window for number in numbers if (window := tiles[number].window) is not None]
        if len(windows) > 1:
            boxes = [box(each.col, each.row, each.col + each.width, each.row + each.height) for each in windows]
            yield np.array(numbers, np.int64)[_touching(boxes, boxes)]


def _picture_links(tiles: Sequence[Tile]) -> _Links:
    first: dict[tuple[str, str], int] = {}
    pairs = [
        (first.setdefault((tile.picture_hash, str(tile.window)), number), number)
        for number, tile in enumerate(tiles)
        if tile.picture_hash is not None
    ]
    return np.array(pairs, np.int64).reshape(-1, 2).T


def _touching(ours: Sequence[Any], others: Sequence[Any]) -> _Links:
    """Pairs of shapes, numbers of ours and of the others, whose distance is a small share of the size of ours."""
    bounds = shapely.bounds(ours)
    sizes = np.minimum(bounds[:, 2] - bounds[:, 0], bounds[:, 3] - bounds[:, 1])
    return np.asarray(shapely.STRtree(others).query(ours, predicate="dwithin", distance=TOUCHING * sizes), np.int64)


def _centres(tiles: Sequence[Tile], shapes: Sequence[Any]) -> NDArray[np.float64]:
    """(N, 2) positions that are comparable within a group: longitude and latitude, else the centre of the window in pixels."""
    centres = np.zeros((len(tiles), 2))
    for number, (tile, footprint) in enumerate(zip(tiles, shapes, strict=True)):
        if footprint is not None:
            centre = footprint.centroid
            centres[number] = centre.x * np.cos(np.radians(centre.y)), centre.y
        elif tile.window is not None:
            centres[number] = tile.window.col + tile.window.width / 2, tile.window.row + tile.window.height / 2
    return centres


def _cut_large(groups: NDArray[np.intp], centres: NDArray[np.float64], largest: int) -> NDArray[np.intp]:
    result = np.empty_like(groups)
    order = np.argsort(groups, kind="stable")
    waiting = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    count = 0
    while waiting:
        rows = waiting.pop()
        parts = _halves(rows, centres[rows]) if len(rows) > largest else None
        if parts is None:
            result[rows] = count
            count += 1
        else:
            waiting.extend(parts)
    return result


def _halves(rows: NDArray[np.intp], centres: NDArray[np.float64]) -> list[NDArray[np.intp]] | None:
    """Cut at the widest gap between centres in the middle half of the longer side; None if all centres are equal."""
    for axis in np.argsort(-np.ptp(centres, axis=0), kind="stable"):
        order = np.argsort(centres[:, axis], kind="stable")
        gaps = np.diff(centres[order, axis])
        span = float(gaps.sum())
        if span == 0:
            continue
        middle = slice(len(gaps) // 4, len(gaps) - len(gaps) // 4)
        for part in (middle, slice(None)):
            cut = (part.start or 0) + int(gaps[part].argmax())
            if gaps[cut] > span / (10 * len(gaps)):
                return [rows[order[: cut + 1]], rows[order[cut + 1 :]]]
    return None
