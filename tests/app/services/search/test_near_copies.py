from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import shapely
from shapely.geometry import shape

from app.domain.places.geometry import bbox_footprint
from app.domain.tiles import Tile, Window
from app.services.search.near_copies import OVERLAP, fold


def tile(number: int, box: list[float] | None = None, content: str | None = None) -> Tile:
    return Tile(
        id=f"{number:04}",
        source="a.tif",
        file_name="a.tif",
        content_hash=content or f"{number}",
        image="a.tif",
        indexed_at=datetime(2020, 1, 1, tzinfo=UTC),
        geometry=None if box is None else bbox_footprint(box),
    )


def is_copy(one: Tile, other: Tile) -> bool:
    if one.content_hash == other.content_hash:
        return True
    if one.geometry is None or other.geometry is None:
        return False
    a, b = shape(one.geometry), shape(other.geometry)
    return bool(a.intersection(b).area > OVERLAP * min(a.area, b.area))


def folded_plainly(tiles: list[Tile]) -> list[list[int]]:
    groups: list[list[int]] = []
    for row, each in enumerate(tiles):
        group = next((group for group in groups if is_copy(tiles[group[0]], each)), None)
        if group is None:
            groups.append([row])
        else:
            group.append(row)
    return groups


@pytest.mark.parametrize("seed", range(6))
def test_folds_like_the_plain_recomputation(seed: int) -> None:
    random = np.random.default_rng(seed)
    tiles = []
    for number in range(120):
        west, south = random.uniform(0, 12, 2)
        size = random.choice([0.5, 2.0])
        box = None if number % 9 == 0 else [west, south, west + size, south + size]
        tiles.append(tile(number, box, content="same" if number % 17 == 3 else None))
    assert fold(tiles) == folded_plainly(tiles)


def test_windows_with_half_a_stride_fold_and_neighbours_do_not() -> None:
    places = [(0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (2.0, 0.0), (2.5, 0.5)]
    tiles = [tile(number, [x, y, x + 1, y + 1]) for number, (x, y) in enumerate(places)]
    # The last one shares exactly a quarter with the fourth: not more.
    assert fold(tiles) == [[0, 1], [2], [3], [4]]


def test_a_copy_of_a_copy_leads_where_it_is_no_copy_of_a_leader() -> None:
    tiles = [tile(0, [0, 0, 1, 1]), tile(1, [0.5, 0, 1.5, 1], "x"), tile(2, [9, 9, 10, 10], "x"), tile(3, content="x")]
    assert fold(tiles) == [[0, 1], [2, 3]]


def test_a_small_footprint_folds_into_a_large_one() -> None:
    assert fold([tile(0, [0, 0, 10, 10]), tile(1, [4, 4, 5, 5])]) == [[0, 1]]


def test_footprints_across_the_antimeridian_fold() -> None:
    tiles = [tile(0, [179, 0, -179, 1]), tile(1, [179.5, 0, -178.5, 1]), tile(2, [-179, 0, -177, 1])]
    assert fold(tiles) == [[0, 1], [2]]


def test_points_and_placeless_tiles_stay() -> None:
    point = replace(tile(0), geometry={"type": "Point", "coordinates": [0, 0]})
    assert fold([]) == []
    assert fold([point, tile(1), tile(2, [-1, -1, 1, 1])]) == [[0], [1], [2]]


def test_a_thousand_views_of_one_place_are_one_group() -> None:
    tiles = [tile(number, [0, 0, 1, 1]) for number in range(1000)]
    assert fold(tiles) == [list(range(1000))]
    grid = [tile(number, [x, y, x + 1, y + 1]) for number, (x, y) in enumerate(itertools.product(range(30), range(30)))]
    assert len(fold(grid)) == 900
    assert shapely.area(shape(grid[0].geometry)) == 1  # type: ignore[arg-type]


def test_tiles_of_one_file_are_no_copies_of_each_other() -> None:
    windows = [Window(64 * column, 0, 64, 64) for column in range(3)]
    cut = [replace(tile(number, content="same"), window=window) for number, window in enumerate(windows)]
    placed = [replace(each, geometry=bbox_footprint([n, 0, n + 1, 1])) for n, each in enumerate(cut)]
    assert fold(cut) == fold(placed) == [[0], [1], [2]]


def test_equal_pictures_under_two_names_are_copies_whatever_their_metadata() -> None:
    tiles = [replace(tile(number), picture_hash=picture) for number, picture in enumerate("aba")]
    assert fold(tiles) == [[0, 2], [1]]
    windows = [replace(tiles[0], window=Window(0, 0, 64, 64)), tiles[2]]
    assert fold(windows) == [[0], [1]]


def test_other_dates_of_one_place_are_copies_by_choice() -> None:
    days = [datetime(2020, 1, 1, 10, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, 11, tzinfo=UTC), None]
    tiles = [replace(tile(number, [0, 0, 1, 1]), datetime=day) for number, day in enumerate(days)]
    assert fold(tiles) == [[0, 1, 2, 3]]
    assert fold(tiles, other_dates=False) == [[0, 2, 3], [1]]
    twice = [replace(each, picture_hash="same") for each in tiles]
    assert fold(twice, other_dates=False) == [[0, 1, 2, 3]]
