from __future__ import annotations

import pytest

from app.container import Container
from app.domain.held_out import is_held_out
from app.domain.tiles import Tile
from app.errors import InvalidInput
from app.services.training.classes import Classes, check_classes, find_classes, name_some


def test_a_label_of_enough_tiles_that_are_not_held_out_is_a_class(container: Container, tiles: list[Tile]) -> None:
    index = container.collections.live("shapes").index
    assert find_classes(container.vectors, index) == Classes(("slopes", "stripes"), ("rare",))
    held_out = [tile for tile in tiles if is_held_out(tile.id)]
    others = [tile for tile in tiles if not is_held_out(tile.id)]
    for tile in held_out + others[:1]:
        container.items.patch("shapes", tile.id, labels=(*tile.labels, "mostly-held-out"))
    assert find_classes(container.vectors, index).left_out == ("mostly-held-out", "rare")
    container.items.patch("shapes", others[1].id, labels=("mostly-held-out",))
    assert "mostly-held-out" in find_classes(container.vectors, index).kept


@pytest.mark.parametrize(
    ("classes", "reason"),
    [
        (Classes((), ()), "no tile has a label; label 2 or more tiles"),
        (Classes((), ("a", "b")), "no label has enough tiles; too few have a, b"),
        (Classes(("a",), ()), "only 'a' has"),
        (Classes(("a",), ("b",)), "only 'a' has enough labelled tiles; too few have b"),
    ],
)
def test_what_is_missing_is_told(classes: Classes, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        check_classes("shapes", classes)


def test_two_classes_do() -> None:
    check_classes("shapes", Classes(("a", "b"), ("c",)))


def test_many_names_are_cut() -> None:
    assert name_some(tuple("abcdefghijkl")) == "a, b, c, d, e, f, g, h, i, j and 2 more"
