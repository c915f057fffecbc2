from __future__ import annotations

import pytest

from app.domain.held_out import is_held_out
from app.domain.naming.ids import tile_id


def test_one_tile_in_five_is_held_out_whatever_the_collection() -> None:
    ids = [tile_id("ucm", f"{number}.jpg", "") for number in range(5000)]
    share = sum(map(is_held_out, ids)) / len(ids)
    assert 0.18 < share < 0.22


def test_a_tile_stays_on_its_side_however_its_id_is_written() -> None:
    for number in range(20):
        item = tile_id("ucm", f"{number}.jpg", "")
        assert is_held_out(item) == is_held_out(item.upper()) == is_held_out(f"{{{item}}}")


def test_what_is_no_id_is_refused() -> None:
    with pytest.raises(ValueError, match="UUID"):
        is_held_out("tile 1")
