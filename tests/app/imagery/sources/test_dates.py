"""When and by what: tags and names as real products write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.imagery.sources.dates import acquired
from app.imagery.sources.platforms import platform


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("m_4709963_se_14_1_20100629.tif", "2010-06-29"),
        ("S2A_MSIL2A_20200831T101031_N0214_R022_T32TQM_20200831T130623.tif", "2020-08-31T10:10:31"),
        ("LC08_L2SP_042034_20150812_20200909_02_T1_SR_B4.TIF", "2015-08-12"),
        ("MOD13Q1.A2015123.h09v05.tif", "2015-05-03"),
        ("scene-2015-06-01.tif", "2015-06-01"),
        ("scene_2015_06_01_cog.tiff", "2015-06-01"),
        ("archive.zip/20110101/20190904.tif", "2019-09-04"),
        ("C:\\data\\20190904_103000.tif", "2019-09-04T10:30:00"),
        ("1985.tif", "1985-01-01"),
    ],
)
def test_names_that_tell_a_date(name: str, expected: str) -> None:
    assert acquired({}, name) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "name",
    ["tile_2048.tif", "20159999.tif", "x_20150230.tif", "18991231.tif", "29991231.tif", "1200.tif", "m_4709963.tif",
     "120150601.tif", "2015-06_01.tif", "9999999999999999.tif", "2010/scene.tif", "scene.tif", ""],
)  # fmt: skip
def test_names_that_tell_none(name: str) -> None:
    assert acquired({}, name) is None


def test_the_future_is_not_taken() -> None:
    ahead = datetime.now(UTC) + timedelta(days=400)
    assert acquired({}, f"x_{ahead:%Y%m%d}.tif") is None
    assert acquired({}, f"{ahead:%Y}.tif") is None


def test_tags_in_their_order() -> None:
    written = {"TIFFTAG_DATETIME": "2021:02:03 04:05:06"}
    assert acquired(written, "scene.tif") == datetime(2021, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert acquired(written, "scene_20190904.tif") == datetime(2019, 9, 4, tzinfo=UTC)
    assert acquired(written, "1985.tif") == datetime(2021, 2, 3, 4, 5, 6, tzinfo=UTC)
    tagged = {**written, "AcquisitionDateTime": "2018-07-06T05:04:03+02:00"}
    assert acquired(tagged, "scene_20190904.tif") == datetime(2018, 7, 6, 3, 4, 3, tzinfo=UTC)
    assert acquired({"ACQUISITION_DATE": "20170102"}, "x.tif") == datetime(2017, 1, 2, tzinfo=UTC)
    assert acquired({"TIFFTAG_DATETIME": "0000:00:00 00:00:00"}, "x.tif") is None
    assert acquired({"TIFFTAG_DATETIME": "0001-01-01T00:00:00+14:00"}, "x.tif") is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("S2A_MSIL2A_20200831T101031.tif", "sentinel-2a"),
        ("LC08_L2SP_042034_20150812.tif", "landsat-8"),
        ("LT50330332011123.tif", "landsat-5"),
        ("z.zip/m_4709963_se_14_1_20100629.tif", "naip"),
        ("scene.tif", None),
        ("LC08.tif", None),
    ],
)
def test_platforms(name: str, expected: str | None) -> None:
    assert platform({}, name) == expected


def test_a_platform_tag_wins() -> None:
    assert platform({"SatelliteID": "WV02"}, "S2A_x.tif") == "wv02"
