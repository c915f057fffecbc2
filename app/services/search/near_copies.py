"""Near-copies among search results: the same picture twice, overlapping windows, the same place at another time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import shape

from app.domain.tiles import Tile

OVERLAP = 0.25
"""Share of the smaller footprint above which two tiles show the same place. Neighbours cut at half a tile's stride share
0.5.
"""

Rows = NDArray[np.int64]


def fold(tiles: Sequence[Tile], *, other_dates: bool = True) -> list[list[int]]:
    """Group the rows of `tiles`: the first row of a group is shown, the others are its near-copies that no earlier group has.

    Two tiles are near-copies if they show the same picture (the same window of the same file content, whatever its name), or if
    their footprints overlap by more than `OVERLAP` of the smaller one.

    tiles: in rank order. other_dates: whether overlapping tiles of different dates (UTC) are near-copies, too; a tile without a
    date matches any. Groups are ordered by their first row, and rows within a group ascend.
    """
    places = _Places(tiles)
    dates = None if other_dates else _dates(tiles)
    same_picture: dict[tuple[str, str], list[int]] = {}
    for row, tile in enumerate(tiles):
        same_picture.setdefault(_picture(tile), []).append(row)
    is_taken = np.zeros(len(tiles), np.bool_)
    groups = []
    for leader, tile in enumerate(tiles):
        if is_taken[leader]:
            continue
        wanted = ~is_taken
        if dates is not None and dates[leader]:
            wanted &= (dates == dates[leader]) | (dates == 0)
        copies = np.union1d(same_picture[_picture(tile)], places.overlapping(leader, wanted)).astype(np.int64)
        copies = copies[~is_taken[copies] & (copies > leader)]
        is_taken[copies] = True
        groups.append([leader, *copies.tolist()])
    return groups


def _picture(tile: Tile) -> tuple[str, str]:
    """Equal for tiles that were cut from equal files at the same window. Older records have only a hash with the metadata."""
    return tile.picture_hash or tile.content_hash, str(tile.window)


def _dates(tiles: Sequence[Tile]) -> Rows:
    """The dates of tiles as proleptic ordinals, 0 for a tile without a time."""
    return np.array([0 if tile.datetime is None else tile.datetime.toordinal() for tile in tiles], np.int64)


class _Places:
    """Finds overlapping footprints. Pairs with intersecting bounds are found at once, areas are computed on request."""

    def __init__(self, tiles: Sequence[Tile]) -> None:
        placed = {row: shape(tile.geometry) for row, tile in enumerate(tiles) if tile.geometry is not None}
        rows = np.array(list(placed), np.int64)
        self._footprints = np.full(len(tiles), None, dtype=object)
        self._footprints[rows] = list(placed.values())
        self._areas: NDArray[np.float64] = shapely.area(self._footprints)
        first, second = shapely.STRtree(self._footprints[rows]).query(self._footprints[rows])
        is_later = first < second
        first, second = rows[first[is_later]], rows[second[is_later]]
        order = np.argsort(first, kind="stable")
        starts, at = np.unique(first[order], return_index=True)
        parts = np.split(second[order], at[1:]) if len(at) else []
        self._meeting: dict[int, Rows] = dict(zip(starts.tolist(), parts, strict=True))

    def overlapping(self, row: int, wanted: NDArray[np.bool_]) -> Rows:
        """Rows after `row` whose footprint overlaps its own by more than `OVERLAP`; wanted: (N,) bool mask of rows."""
        near = self._meeting.get(row)
        if near is None or len(near := near[wanted[near]]) == 0:
            return np.zeros(0, np.int64)
        shared: NDArray[np.float64] = shapely.area(shapely.intersection(self._footprints[near], self._footprints[row]))
        found: Rows = near[shared > OVERLAP * np.minimum(self._areas[near], self._areas[row])]
        return found
