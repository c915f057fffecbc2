"""Places of the compared tiles: groups that are not independent samples. Cross-fitting and bootstrap keep a place together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import box, shape

from app.domain.places.place_groups import place_groups
from app.domain.tiles import Tile

LARGEST = 8
"""Maximum number of labelled tiles of a place; a labelled scene would be a single place otherwise."""
LEAST_OVERLAP = 0.02
"""Share of the smaller footprint above which two tiles overlap; borders of reprojected footprints overlap by less."""

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
    """Group the labelled tiles by place; each unlabelled tile is a place of its own."""
    labelled = [row for row, tile in enumerate(tiles) if tile.labels]
    numbers = np.arange(len(tiles)) + len(labelled)
    numbers[labelled] = place_groups([tiles[row] for row in labelled], largest=LARGEST)
    pairs = _overlapping(tiles)
    return Places(numbers, pairs[numbers[pairs[:, 0]] != numbers[pairs[:, 1]]])


def _overlapping(tiles: Sequence[Tile]) -> Pairs:
    """Pairs of tiles with overlapping footprints, or overlapping windows of the same file; the lower row first."""
    footprints = np.full(len(tiles), None, dtype=object)
    spaces: defaultdict[str, list[int]] = defaultdict(list)
    for row, tile in enumerate(tiles):
        if tile.geometry is not None:
            footprints[row] = shape(tile.geometry)
            spaces[""].append(row)
        elif (window := tile.window) is not None:
            footprints[row] = box(window.col, window.row, window.col + window.width, window.row + window.height)
            spaces[tile.source].append(row)
    found: list[Pairs] = [np.zeros((0, 2), np.intp)]
    for rows in spaces.values():
        first, second = shapely.STRtree(footprints[rows]).query(footprints[rows], predicate="intersects")
        found.append(np.array(rows)[np.stack([first, second], axis=1)[first < second]])
    pairs = np.concatenate(found)
    areas = shapely.area(footprints)
    shared = shapely.area(shapely.intersection(footprints[pairs[:, 0]], footprints[pairs[:, 1]]))
    return pairs[shared > LEAST_OVERLAP * np.minimum(areas[pairs[:, 0]], areas[pairs[:, 1]])]
