"""Band names of the common sensors."""

from __future__ import annotations

import pytest

from app.imagery.raster.common_names import common_names
from app.imagery.values.bands import choose, find_rgb, misfit


@pytest.mark.parametrize(
    ("names", "platform", "expected"),
    [
        (["B2", "B3", "B4", "B8"], None, ["blue", "green", "red", "nir"]),
        (["B02", "B03", "B04", "B8A"], None, ["blue", "green", "red", "nir08"]),
        (["SR_B2", "SR_B3", "SR_B4"], None, ["blue", "green", "red"]),
        (["SR_B2", "SR_B3", "SR_B4", "SR_B5"], "landsat-9", ["blue", "green", "red", "nir"]),
        (["SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B7"], None, ["blue", "green", "red", "nir", "swir16", "swir22"]),
        (["B1", "B2", "B3", "B4"], "landsat-7", ["blue", "green", "red", "nir"]),
        (["B4", "B5", "B6", "B7"], "landsat-2", ["green", "red", "nir08", "nir"]),
        (["Band 2 - Blue", "Band 3 - Green", "Band 4 - Red"], None, ["blue", "green", "red"]),
        (["sur_refl_b01", "sur_refl_b04", "sur_refl_b03"], None, ["red", "green", "blue"]),
        (["band_1", "band_2", "band_3", "band_4"], "planetscope", ["blue", "green", "red", "nir"]),
        (["blue", "green_i", "green", "red", "rededge", "nir"], None, ["blue", "green_i", "green", "red", "rededge1", "nir"]),
        (["Red Edge 1", "Near Infrared", "SWIR 1", "Red (665 nm)"], None, ["rededge1", "nir", "swir16", "red"]),
        (["R", "G", "B", "N"], None, ["red", "green", "blue", "nir"]),
        (["Band 1", "Band 2", "Band 3", "Band 4"], None, [None] * 4),
        (["B1", "B2", "B3"], None, [None] * 3),
        (["foo", None, "blue-green"], None, [None] * 3),
        (["Band 1", "Band 2", "Band 3"], "naip", ["red", "green", "blue"]),
    ],
)
def test_names_of_sensors(names: list[str | None], platform: str | None, expected: list[str | None]) -> None:
    assert common_names(names, platform) == expected


def test_colours_are_chosen_by_common_names() -> None:
    assert choose(["B2", "B3", "B4", "B8"], None, 3) == [2, 1, 0]
    assert choose(["B2", "B3", "B4", "B8"], ["red", "B8", "B02"], 3) == [2, 3, 0]
    assert choose(["foo", "bar", "baz"], None, 3) == [0, 1, 2], "unknown names: the order of the file"
    assert find_rgb(["blue", "green", "nir"]) is None


def test_a_model_for_other_bands_is_reported() -> None:
    common = common_names(["B12", "B8", "B4"])
    reason = misfit(common, [0, 1, 2], ["red", "green", "blue"])
    assert reason is not None
    assert "trained on red, green, blue, but gets swir22, nir, red" in reason
    assert misfit(common_names(["B4", "B3", "B2"]), [0, 1, 2], ["red", "green", "blue"]) is None
    assert misfit([None] * 3, [0, 1, 2], ["red", "green", "blue"]) is None
