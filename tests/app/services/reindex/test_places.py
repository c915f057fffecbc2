"""Which tiles are independent samples."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
from shapely.geometry import box, mapping

from app.domain.tiles import Tile, Window
from app.services.reindex.places import find_places

NOW = datetime(2024, 1, 1, tzinfo=UTC)
SIDE = 0.01


def tile(number: int, x: float | None = None, y: float = 0.0, **fields: Any) -> Tile:
    geometry = None if x is None else mapping(box(x * SIDE, y * SIDE, (x + 1) * SIDE, (y + 1) * SIDE))
    given: dict[str, Any] = {"source": str(number), "content_hash": str(number), "geometry": geometry, **fields}
    return Tile(id=str(number), file_name="", image="", indexed_at=NOW, **given)


def groups(tiles: list[Tile]) -> list[list[int]]:
    numbers = find_places(tiles).numbers
    return sorted(np.flatnonzero(numbers == number).tolist() for number in np.unique(numbers))


def test_overlapping_tiles_are_one_place() -> None:
    tiles = [tile(0, 0), tile(1, 0.5), tile(2, 1.4), tile(3, 5), tile(4, 6)]
    assert groups(tiles) == [[0, 1, 2], [3], [4]]


def test_adjacent_tiles_are_one_place_if_they_share_a_label() -> None:
    tiles = [tile(0, 0, labels=("a",)), tile(1, 1, labels=("a", "b")), tile(2, 2, labels=("c",)), tile(3, 9, labels=("a",))]
    assert groups(tiles) == [[0, 1], [2], [3]]


def test_tiles_without_a_place_are_compared_by_window_and_picture() -> None:
    tiles = [
        tile(0, window=Window(0, 0, 64, 64), source="scene"),
        tile(1, window=Window(32, 0, 64, 64), source="scene"),
        tile(2, window=Window(32, 0, 64, 64), source="other scene"),
        tile(3, picture_hash="p"),
        tile(4, picture_hash="p"),
        tile(5),
    ]
    assert groups(tiles) == [[0, 1], [2], [3, 4], [5]]


def test_a_labelled_scene_is_divided_into_blocks() -> None:
    tiles = [tile(18 * y + x, x / 2, y / 2, labels=("a",)) for y in range(10) for x in range(18)]
    places = find_places(tiles)
    assert len(np.unique(places.numbers)) == 3 * 2  # of 9.5 x 5.5 tiles
    near, far = places.overlaps.T
    assert len(near)
    assert (places.numbers[near] != places.numbers[far]).all()
    row = int(near[0])
    assert places.related(row)[far[0]]
    assert places.related(row)[row]


def test_there_may_be_no_tiles() -> None:
    assert len(find_places([]).numbers) == 0
