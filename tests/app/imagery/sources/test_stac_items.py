"""STAC Items from disk."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.errors import InvalidInput
from app.imagery.sources.file_kinds import FileKind, sniff
from app.imagery.sources.stac_items import read_stac_item

ITEM: dict[str, Any] = {
    "type": "Feature",
    "stac_version": "1.0.0",
    "id": "S2A_T32TQM_20200831",
    "geometry": {"type": "Polygon", "coordinates": [[[10, 45], [11, 45], [11, 46], [10, 46], [10, 45]]]},
    "bbox": [10, 45, 11, 46],
    "properties": {
        "datetime": "2020-08-31T12:10:31+02:00", "platform": "sentinel-2a", "labels": ["alps"], "eo:cloud_cover": 3.5,
    },
    "links": [{"rel": "collection", "href": "https://example.com/never-fetched"}],
    "assets": {
        "visual": {"href": "./scene%20one.tif", "type": "image/tiff; application=geotiff", "roles": ["visual"]},
        "B04": {"href": "bands/B04.tif", "roles": ["data"]},
        "thumbnail": {"href": "https://example.com/t.jpg", "type": "image/jpeg", "roles": ["thumbnail"]},
        "metadata": {"href": "https://example.com/m.xml", "type": "application/xml", "roles": ["metadata"]},
        "table": {"href": "t.parquet", "type": "application/x-parquet", "roles": ["data"]},
    },
}  # fmt: skip


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "item.json"
    path.write_text(json.dumps({**copy.deepcopy(ITEM), **changes}))
    return path


def test_an_item(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert sniff(path) is FileKind.STAC
    item = read_stac_item(path)
    assert item.id == "S2A_T32TQM_20200831"
    assert item.geometry == ITEM["geometry"]
    assert item.datetime == datetime(2020, 8, 31, 10, 10, 31, tzinfo=UTC)
    assert item.labels == ("alps",)
    assert item.properties == {"platform": "sentinel-2a", "eo:cloud_cover": 3.5}
    assert item.assets == [("visual", tmp_path / "scene%20one.tif"), ("B04", tmp_path / "bands" / "B04.tif")]


def test_labels_that_no_tile_may_have_are_left_out(tmp_path: Path) -> None:
    labels = [" alps ", "snow, ice", "alps", "", 5, "x" * 200, "line\nbreak"]
    path = written(tmp_path, properties={**ITEM["properties"], "labels": labels})
    assert read_stac_item(path).labels == ("alps", "snow  ice")


def test_a_range_of_time_begins_at_its_start_and_place_may_be_missing(tmp_path: Path) -> None:
    properties = {"datetime": None, "start_datetime": "2020-01-01T00:00:00Z", "end_datetime": "2020-02-01T00:00:00Z"}
    path = written(tmp_path, properties=properties, geometry=None, bbox=None)
    item = read_stac_item(path)
    assert item.datetime == datetime(2020, 1, 1, tzinfo=UTC)
    assert item.geometry is None


def test_file_urls_are_local(tmp_path: Path) -> None:
    assets = {
        "data": {"href": f"file://{tmp_path}/a%20b.tif", "roles": ["data"]},
        "abs": {"href": "/x/y.tif", "type": "image/tiff"},
    }
    item = read_stac_item(written(tmp_path, assets=assets))
    assert item.assets == [("data", tmp_path / "a b.tif"), ("abs", Path("/x/y.tif"))]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"assets": {"data": {"href": "https://example.com/x.tif", "roles": ["data"]}}}, "only local files are read"),
        ({"assets": {"data": {"href": "s3://bucket/x.tif", "type": "image/tiff"}}}, "only local files are read"),
        ({"assets": {"data": {"href": "file://host/x.tif", "type": "image/tiff"}}}, "only local files are read"),
        ({"assets": {"data": {"href": "", "roles": ["data"]}}}, "no usable href"),
        ({"assets": {}}, "references no image"),
        ({"type": "Catalog"}, "not a STAC Item"),
        ({"properties": {"datetime": "yesterday"}}, "not a STAC Item"),
        ({"properties": {"datetime": None}}, "not a STAC Item"),
        ({"assets": [1]}, "not a STAC Item"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[500, 45], [11, 45], [11, 46], [500, 45]]]}}, "longitude, latitude"),
        ({"properties": {"datetime": "2020-08-31T00:00:00Z", "x": float("nan")}}, "NaN is not JSON"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        read_stac_item(written(tmp_path, **changes))


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "[" * 100_000, '{"stac_version": "1.0.0"}', "\ufeff{}"])
def test_other_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(InvalidInput, match="not a STAC Item"):
        read_stac_item(path)


def test_binary_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(InvalidInput, match="not a STAC Item"):
        read_stac_item(path)
