"""Bands that a model names are found in the file by their names."""

from __future__ import annotations

import pytest

from app.imagery.values.bands import choose

LANDSAT = ("swir1", "nir", "red", "green")


@pytest.mark.parametrize(
    ("names", "wanted", "model", "found"),
    [
        (("red", "green", "nir", "swir1"), None, LANDSAT, [3, 2, 0, 1]),
        (("SR_B6", "SR_B5", "SR_B4", "SR_B3"), None, LANDSAT, [0, 1, 2, 3]),
        (("a", "b", "hh", "vv"), None, ("VV", "HH"), [3, 2]),
        (("red", "green", "nir", "swir1"), (1, 2, 3, 4), LANDSAT, [0, 1, 2, 3]),  # the collection decides
        (("red", "green", "blue", "nir"), None, LANDSAT, [0, 1, 2, 3]),  # one is missing: the first ones
        ((None,) * 4, None, LANDSAT, [0, 1, 2, 3]),
        (("blue", "green", "red"), None, ("red", "green", "blue"), [2, 1, 0]),
        (("nir", "red", "green", "blue"), None, ("nir", "red", "green"), [0, 1, 2]),
        (("blue", "green", "red", "nir"), None, ("x", "y", "z"), [2, 1, 0]),  # as before for names that say nothing
    ],
)
def test_they_are_used_in_the_order_of_the_model(
    names: tuple[str | None, ...], wanted: tuple[int, ...] | None, model: tuple[str, ...], found: list[int]
) -> None:
    assert choose(names, wanted, len(model), model=model) == found
