"""Tiles of one place are one group, and no tile of another place is in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from shapely.geometry import box, mapping

from app.domain.naming.ids import tile_id
from app.domain.places.geometry import bbox_footprint
from app.domain.places.place_groups import place_groups
from app.domain.tiles import Tile, Window


def _tile(name: str, bounds: tuple[float, float, float, float] | None = None, **fields: Any) -> Tile:
    geometry = None if bounds is None else dict(mapping(box(*bounds)))
    given = {"source": name, "file_name": name, "geometry": geometry, **fields}
    return Tile(
        id=tile_id("c", name, str(fields.get("window"))),
        content_hash=name,
        image=name,
        indexed_at=datetime(2024, 1, 1, tzinfo=UTC),
        **given,
    )


def _grid(rows: int, columns: int, step: float = 0.01, gap: float = 0.0) -> list[Tile]:
    size = step - gap
    corners = [(column * step, row * step) for row in range(rows) for column in range(columns)]
    return [_tile(f"{west},{south}", (west, south, west + size, south + size)) for west, south in corners]


def test_footprints_that_overlap_or_touch_are_one_group_at_any_date() -> None:
    tiles = [
        _tile("a-2010", (0, 0, 1, 1)),
        _tile("a-2020", (0.2, 0.1, 1.2, 1.1)),
        _tile("beside", (1.2, 0, 2.2, 1)),  # touches the second only
        _tile("apart", (4, 0, 5, 1)),
    ]
    assert place_groups(tiles).tolist() == [0, 0, 0, 1]


def test_a_hair_between_tiles_of_a_grid_is_no_gap() -> None:
    assert set(place_groups(_grid(2, 3, gap=0.0002)).tolist()) == {0}
    assert len(set(place_groups(_grid(2, 3, gap=0.003)).tolist())) == 6


def test_tiles_on_both_sides_of_the_antimeridian_touch() -> None:
    tiles = [_tile("west", (179.5, 0, 180, 0.5)), _tile("east", (-180, 0, -179.5, 0.5)), _tile("far", (0, 0, 0.5, 0.5))]
    crossing = _tile("crossing", geometry=bbox_footprint([179.9, 0.1, -179.9, 0.3]))
    assert place_groups(tiles).tolist() == [0, 0, 1]
    assert place_groups([*tiles, crossing]).tolist() == [0, 0, 1, 0]


def test_windows_of_one_file_are_compared_in_pixels() -> None:
    tiles = [
        _tile("scene.tif", window=Window(0, 0, 256, 256)),
        _tile("scene.tif", window=Window(256, 0, 256, 256)),
        _tile("scene.tif", window=Window(1024, 0, 256, 256)),
        _tile("other.tif", window=Window(0, 0, 256, 256)),
    ]
    assert place_groups(tiles).tolist() == [0, 0, 1, 2]


def test_copies_of_a_picture_are_one_group_and_pictures_without_a_place_are_apart() -> None:
    tiles = [_tile("a", picture_hash="1"), _tile("b", picture_hash="2"), _tile("c", picture_hash="1"), _tile("d"), _tile("e")]
    assert place_groups(tiles).tolist() == [0, 1, 0, 2, 3]
    assert place_groups([]).tolist() == []


@pytest.mark.parametrize("largest", [1, 4, 10])
def test_a_large_group_is_cut_into_compact_parts(largest: int) -> None:
    tiles = _grid(8, 8)
    assert set(place_groups(tiles).tolist()) == {0}
    groups = place_groups(tiles, largest=largest)
    counts = np.bincount(groups)
    assert counts.max() <= largest
    assert counts.min() >= max(1, largest // 4)
    if largest == 4:
        rows, columns = np.divmod(np.arange(64), 8)
        for group in range(len(counts)):
            inside = groups == group
            assert np.ptp(rows[inside]) + np.ptp(columns[inside]) <= 3


def test_dates_of_one_place_are_never_separated() -> None:
    tiles = [_tile(f"{date}", (0, 0, 1, 1)) for date in range(7)]
    assert set(place_groups(tiles, largest=2).tolist()) == {0}
    beside = [_tile(f"beside-{date}", (1, 0, 2, 1)) for date in range(7)]
    groups = place_groups([*tiles, *beside], largest=8)
    assert len(set(groups[:7])) == len(set(groups[7:])) == 1
    assert groups[0] != groups[-1]


def test_many_tiles_take_a_moment() -> None:
    assert len(set(place_groups(_grid(50, 50), largest=50).tolist())) >= 50
