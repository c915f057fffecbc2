"""GeoJSON of labels, read feature by feature."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.errors import Unprocessable
from app.services.labels.geojson_files import CHUNK, read_geojson
from app.services.labels.rows import LabelRow, RowNote

ID = "5f3e0c52-6d0c-5c7e-b0a2-0a4c6e0e6d11"
POINT = {"type": "Point", "coordinates": [8.5, 47.25]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labels.geojson"


def feature(geometry: Any = None, own_id: Any = None, **properties: Any) -> dict[str, Any]:
    made = {"type": "Feature", "geometry": geometry, "properties": properties}
    return made if own_id is None else {**made, "id": own_id}


def collection(*features: Any, **members: Any) -> str:
    return json.dumps({"type": "FeatureCollection", **members, "features": features})


def rows(path: Path, text: str | bytes) -> list[LabelRow | RowNote]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(read_geojson(path))


def row(path: Path, made: dict[str, Any]) -> LabelRow:
    (only,) = rows(path, collection(made))
    assert isinstance(only, LabelRow), only
    return only


def test_features_name_tiles_by_id_or_place(path: Path) -> None:
    assert row(path, feature(POINT, ID.upper(), label="a")).id == ID
    assert row(path, feature(POINT, 7, **{"id": ID, "label": "a"})).id == ID
    place = row(path, feature(POINT, "mine", label="a")).place
    assert place is not None
    assert place.wkt == "POINT (8.5 47.25)"


@pytest.mark.parametrize(
    ("properties", "labels"),
    [
        ({"label": "a;b"}, ("a;b",)),
        ({"label": ["a", "b"]}, ("a", "b")),
        ({"label": 7}, ("7",)),
        ({"labels": "a; b"}, ("a", "b")),
        ({"labels": ["a", "b", "a"]}, ("a", "b")),
        ({"labels": '["a", "b"]'}, ("a", "b")),
        ({"label": "c", "labels": ["a"]}, ("c", "a")),
        ({"label": None, "labels": []}, ()),
        ({"label": None, "labels": "[ ]"}, ()),
        ({"label": None}, None),
        ({"label": "", "labels": None}, None),
    ],
)
def test_labels_of_a_feature(path: Path, properties: dict[str, Any], labels: tuple[str, ...] | None) -> None:
    assert row(path, feature(None, ID, **properties)).labels == labels


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (feature(None, label="a"), "no tile is given"),
        (feature({"type": "LineString", "coordinates": [[0, 0], [1, 1]]}, label="a"), "the geometry must be one of"),
        (feature({"type": "Point", "coordinates": [500000, 5200000]}, label="a"), "longitude, latitude in degrees"),
        (feature({"type": "Point", "coordinates": ["x"]}, label="a"), "not a GeoJSON geometry"),
        (
            feature({"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 1], [1, 0], [0, 0]]]}, label="a"),
            "Self-intersection",
        ),
        (feature(POINT, other="a"), "the feature has no property `label` or `labels`"),
        (feature(POINT, label={"x": 1}), "a string, an integer"),
        (feature(POINT, label=True), "a string, an integer"),
        (feature(POINT, label="\ud800"), "without commas and control characters"),
        (feature("POINT (1 2)", label="a"), "the geometry must be one of"),
        ({"type": "Feature", "properties": [1], "geometry": POINT}, "`properties` is not an object"),
        ({"type": "Point", "coordinates": [1, 2]}, "not a Feature"),
        (None, "not a Feature"),
    ],
)
def test_what_cannot_be_understood_is_noted(path: Path, made: Any, reason: str) -> None:
    bad, good = rows(path, collection(made, feature(POINT, label="b")))
    assert isinstance(bad, RowNote)
    assert reason in bad.reason
    bad.reason.encode()
    assert isinstance(good, LabelRow)


def test_lines_are_those_of_the_file(path: Path) -> None:
    features = ",\n".join(json.dumps(feature(POINT, label="a")) for _ in range(3))
    read = rows(path, f'{{\n"type": "FeatureCollection",\n"name": "x",\n"features": [\n{features}\n]\n}}\n')
    assert [each.line for each in read] == [5, 6, 7]


def test_one_feature_and_one_after_another(path: Path) -> None:
    single = json.dumps(feature(POINT, label="a"))
    assert len(rows(path, single)) == 1
    assert [each.line for each in rows(path, f"{single}\n{single}\n\x1e{single}\n")] == [1, 2, 3]
    assert rows(path, "\ufeff" + collection()) == []


def test_features_are_read_across_the_window(path: Path) -> None:
    long = feature(POINT, label="long", note="x" * (2 * CHUNK))
    many = [feature(POINT, label=str(number), note="é" * (number % 700)) for number in range(5000)]
    read = rows(path, collection(*many, long, *many, bbox=[1.5] * 4))
    assert [each.labels for each in read if isinstance(each, LabelRow)] == [
        (each["properties"]["label"],) for each in (*many, long, *many)
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (collection(feature(POINT, label="a"))[:-20], "cut short|Expecting|Unterminated|delimiter"),
        ('{"type": "FeatureCollection", "features": [', "cut short"),
        ('{"type": "FeatureCollection", "features": {}}', "is missing"),
        ('{"type": "FeatureCollection" "features": []}', "is missing"),
        ('{"type": "Point", "coordinates": [1, 2]}', "must be a FeatureCollection or a Feature"),
        ("[1, 2]", "is missing"),
        ("{" + '"a": {' * 5 + "x", "Expecting"),
        ('{"type": ' + "[" * 200_000, "too deeply nested"),
        ('{"type": "FeatureCollection", "n": ' + "9" * 5000 + "}", "Exceeds the limit"),
        (b'{"type": "\xff"}', "not UTF-8"),
        (collection(crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}), "not WGS 84"),
    ],
)
def test_what_is_no_geojson_is_refused(path: Path, text: str | bytes, reason: str) -> None:
    with pytest.raises(Unprocessable, match=reason):
        rows(path, text)


def test_wgs84_may_be_said(path: Path) -> None:
    for name in ("urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:EPSG::4326", "EPSG:4326"):
        text = collection(feature(POINT, label="a"), crs={"type": "name", "properties": {"name": name}})
        assert len(rows(path, text)) == 1
