"""Places: groups of tiles that are not independent samples. Cross-fitting and bootstrap keep the tiles of a place together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array  # type: ignore[import-untyped]
from scipy.sparse.csgraph import connected_components  # type: ignore[import-untyped]
from shapely.geometry import box, shape

from app.domain.tiles import Tile

LEAST_OVERLAP = 0.02
"""Share of the smaller footprint above which two tiles overlap; borders of reprojected footprints overlap by less."""
TOUCHING = 0.25
"""Distance, in sides of a tile, within which two tiles are adjacent."""
MAX_LABELLED = 16
"""A place with more labelled tiles is divided into blocks of `BLOCK` x `BLOCK` tiles."""
BLOCK = 4

Pairs = NDArray[np.intp]
"""(P, 2) rows."""


@dataclass(frozen=True, slots=True)
class Places:
    """The places of N tiles. numbers: (N,) place of each. overlaps: (P, 2) rows of overlapping tiles of different places."""

    numbers: NDArray[np.intp]
    overlaps: Pairs

    def related(self, row: int) -> NDArray[np.bool_]:
        """(N,) bool: the tiles of the place of a tile, and the tiles that overlap it."""
        found: NDArray[np.bool_] = self.numbers == self.numbers[row]
        for near, far in ((0, 1), (1, 0)):
            found[self.overlaps[self.overlaps[:, near] == row, far]] = True
        return found


def find_places(tiles: Sequence[Tile]) -> Places:
    """Group tiles that overlap, that are adjacent and share a label, or that show the same picture.

    Tiles without a footprint are compared by their windows in the same file. A place with more than `MAX_LABELLED` labelled
    tiles is divided into blocks, because a fully labelled scene would be a single place otherwise.
    """
    footprints, spaces = _footprints(tiles)
    overlapping, adjacent = _neighbours(footprints, spaces)
    labels = [frozenset(tile.labels) for tile in tiles]
    is_alike = np.array([not labels[a].isdisjoint(labels[b]) for a, b in adjacent], np.bool_)
    pairs = np.concatenate([overlapping, adjacent[is_alike], _same_pictures(tiles)])
    _, numbers = connected_components(
        coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(len(tiles), len(tiles))), directed=False
    )
    numbers = _divide(numbers.astype(np.intp), footprints, np.array([bool(own) for own in labels], np.bool_))
    is_apart = numbers[overlapping[:, 0]] != numbers[overlapping[:, 1]]
    return Places(numbers, overlapping[is_apart])


def _footprints(tiles: Sequence[Tile]) -> tuple[NDArray[np.object_], list[str]]:
    """The geometry of each tile, None without one, and the space of its coordinates: the Earth (""), or a file."""
    footprints = np.full(len(tiles), None, dtype=object)
    spaces = [""] * len(tiles)
    for row, tile in enumerate(tiles):
        if tile.geometry is not None:
            footprints[row] = shape(tile.geometry)
        elif tile.window is not None:
            window = tile.window
            footprints[row] = box(window.col, window.row, window.col + window.width, window.row + window.height)
            spaces[row] = tile.source
    return footprints, spaces


def _neighbours(footprints: NDArray[np.object_], spaces: Sequence[str]) -> tuple[Pairs, Pairs]:
    """Pairs of overlapping footprints, and pairs of adjacent ones, of the same space; the lower row first."""
    by_space: defaultdict[str, list[int]] = defaultdict(list)
    for row, space in enumerate(spaces):
        if footprints[row] is not None:
            by_space[space].append(row)
    found: list[Pairs] = [np.zeros((0, 2), np.intp)]
    for rows in by_space.values():
        own = footprints[rows]
        side = float(np.sqrt(np.median(shapely.area(own))))
        first, second = shapely.STRtree(own).query(own, predicate="dwithin", distance=TOUCHING * side)
        is_later = first < second
        found.append(np.stack([np.array(rows)[first[is_later]], np.array(rows)[second[is_later]]], axis=1))
    pairs = np.concatenate(found)
    areas = shapely.area(footprints)
    shared = shapely.area(shapely.intersection(footprints[pairs[:, 0]], footprints[pairs[:, 1]]))
    is_over = shared > LEAST_OVERLAP * np.minimum(areas[pairs[:, 0]], areas[pairs[:, 1]])
    return pairs[is_over], pairs[~is_over]


def _same_pictures(tiles: Sequence[Tile]) -> Pairs:
    """Each tile with the first one that shows the same window of the same picture."""
    first: dict[tuple[str, str], int] = {}
    keys = ((tile.picture_hash or tile.content_hash, str(tile.window)) for tile in tiles)
    found = [(first.setdefault(key, row), row) for row, key in enumerate(keys)]
    return _pairs(pair for pair in found if pair[0] != pair[1])


def _divide(numbers: NDArray[np.intp], footprints: NDArray[np.object_], is_labelled: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Divide places with too many labelled tiles into blocks; tiles without a footprint stay together."""
    made: dict[tuple[int, int, int], int] = {}
    divided = numbers.copy()
    following = int(numbers.max(initial=-1)) + 1
    for place in np.flatnonzero(np.bincount(numbers, weights=is_labelled, minlength=1) > MAX_LABELLED):
        rows = [row for row in np.flatnonzero(numbers == place) if footprints[row] is not None]
        if not rows:
            continue
        centres = shapely.get_coordinates(shapely.centroid(footprints[rows]))
        bounds = shapely.bounds(footprints[rows])
        sides = BLOCK * np.median(bounds[:, 2:] - bounds[:, :2], axis=0)
        cells = np.floor((centres - bounds[:, :2].min(axis=0)) / sides).astype(int)
        for row, (column, line) in zip(rows, cells.tolist(), strict=True):
            divided[row] = made.setdefault((int(place), column, line), following + len(made))
    return divided


def _pairs(found: Iterable[tuple[int, int]]) -> Pairs:
    return np.array(list(found), np.intp).reshape(-1, 2)
