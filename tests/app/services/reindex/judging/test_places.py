"""Which tiles are independent samples."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
from shapely.geometry import box, mapping

from app.domain.tiles import Tile, Window
from app.services.reindex.judging.places import LARGEST, find_places

NOW = datetime(2024, 1, 1, tzinfo=UTC)
SIDE = 0.01


def tile(number: int, x: float | None = None, y: float = 0.0, **fields: Any) -> Tile:
    geometry = None if x is None else mapping(box(x * SIDE, y * SIDE, (x + 1) * SIDE, (y + 1) * SIDE))
    given: dict[str, Any] = {"source": str(number), "content_hash": str(number), "geometry": geometry, **fields}
    return Tile(id=str(number), file_name="", image="", indexed_at=NOW, **given)


def test_labelled_tiles_that_touch_are_one_place() -> None:
    tiles = [tile(0, 0, labels=("a",)), tile(1, 1, labels=("b",)), tile(2, 0.5), tile(3, 9, labels=("a",)), tile(4, 2)]
    places = find_places(tiles)
    assert places.numbers[0] == places.numbers[1]
    assert len(np.unique(places.numbers)) == 4
    assert {tuple(pair) for pair in places.overlaps.tolist()} == {(0, 2), (1, 2)}
    assert places.related(0).tolist() == [True, True, True, False, False]
    assert places.related(3).tolist() == [False, False, False, True, False]


def test_tiles_without_a_footprint_are_compared_by_window() -> None:
    tiles = [
        tile(0, window=Window(0, 0, 64, 64), source="scene", labels=("a",)),
        tile(1, window=Window(32, 0, 64, 64), source="scene"),
        tile(2, window=Window(32, 0, 64, 64), source="other scene"),
        tile(3),
    ]
    places = find_places(tiles)
    assert len(np.unique(places.numbers)) == 4
    assert places.overlaps.tolist() == [[0, 1]]


def test_a_labelled_scene_is_divided() -> None:
    tiles = [tile(18 * y + x, x / 2, y / 2, labels=("a",)) for y in range(10) for x in range(18)]
    places = find_places(tiles)
    assert np.bincount(places.numbers).max() <= LARGEST
    near, far = places.overlaps.T
    assert len(near)
    assert (places.numbers[near] != places.numbers[far]).all()


def test_there_may_be_no_tiles() -> None:
    assert len(find_places([]).numbers) == 0
