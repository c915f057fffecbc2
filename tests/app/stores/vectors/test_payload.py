from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from app.domain.tiles import Grid, Tile
from app.errors import Damaged
from app.stores.vectors.payload import Payload, to_payload, to_tile

ID = "0d0f3bd2-4d4b-5b0a-9c53-000000000001"


def test_a_record_from_before_stretches_is_read() -> None:
    tile = Tile(ID, "a.jpg", "a.jpg", "ab", "a.jpg", datetime(2024, 1, 1, tzinfo=UTC))
    payload = to_payload(tile)
    record = json.loads(payload["record"])
    del record["stretch"]
    assert to_tile(ID, {**payload, "record": json.dumps(record)}) == tile


def test_a_grid_is_kept_and_a_record_from_before_grids_is_read() -> None:
    grid = Grid(32633, 64, 32, (10.0, 0.0, 500_000.5, 0.0, -10.0, 5_800_000.25))
    tile = Tile(ID, "a.tif", "a.tif", "ab", "a.tif", datetime(2024, 1, 1, tzinfo=UTC), grid=grid)
    payload = to_payload(tile)
    assert to_tile(ID, payload) == tile
    record = json.loads(payload["record"])
    del record["grid"]
    assert to_tile(ID, {**payload, "record": json.dumps(record)}).grid is None


def test_labels_count_where_they_are_set_even_if_an_older_record_has_some() -> None:
    tile = Tile(ID, "a.jpg", "a.jpg", "ab", "a.jpg", datetime(2024, 1, 1, tzinfo=UTC), labels=("new",))
    payload = to_payload(tile)
    record = json.loads(payload["record"])
    assert "labels" not in record
    assert to_tile(ID, {**payload, "record": json.dumps({**record, "labels": ["old"]})}) == tile
    assert to_tile(ID, {**payload, "labels": None}).labels == ()


@pytest.mark.parametrize("payload", [{}, {"record": None}, {"record": "{"}, {"record": "[]"}, {"record": '{"source": "a"}'}])
def test_a_damaged_record_is_named(payload: Payload) -> None:
    with pytest.raises(Damaged, match=r"record of tile 7 is damaged; .*dyad doctor --repair"):
        to_tile("7", payload)
