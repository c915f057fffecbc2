"""Regions of searches: GeoJSON of every kind that drawing tools write."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.places.geometry import MAX_VERTICES, parse_region
from app.errors import InvalidInput

GeoJSON = dict[str, Any]


def square(west: float, south: float, side: float = 1) -> GeoJSON:
    east, north = west + side, south + side
    return {"type": "Polygon", "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]]}


def feature(geometry: GeoJSON | None) -> GeoJSON:
    return {"type": "Feature", "properties": {"name": "drawn"}, "geometry": geometry}


def features(*geometries: GeoJSON | None) -> GeoJSON:
    return {"type": "FeatureCollection", "features": [feature(each) for each in geometries]}


def collection(*geometries: GeoJSON) -> GeoJSON:
    return {"type": "GeometryCollection", "geometries": list(geometries)}


@pytest.mark.parametrize(
    "area", [feature(square(0, 0)), features(square(0, 0)), features(None, square(0, 0)), collection(square(0, 0))]
)
def test_one_polygon_in_any_wrapping_is_the_region(area: GeoJSON) -> None:
    assert parse_region(area).geometry.equals(parse_region(square(0, 0)).geometry)


@pytest.mark.parametrize("wrap", [features, collection])
def test_several_polygons_are_united(wrap: Any) -> None:
    region = parse_region(wrap(square(0, 0), square(0.5, 0), square(10, 0)))
    assert region.geometry.area == pytest.approx(2.5)
    assert [region.intersects(square(west, 0.2, 0.1)) for west in (1.2, 5, 10.2)] == [True, False, True]


def test_a_collection_in_a_feature_and_points_beside_polygons_are_taken() -> None:
    point = {"type": "Point", "coordinates": [20, 20]}
    region = parse_region(features(collection(square(0, 0), point)))
    assert region.intersects(square(19.5, 19.5)) and region.intersects(square(0, 0)) and not region.intersects(square(5, 5))


def test_features_on_both_sides_of_the_antimeridian_are_one_region() -> None:
    region = parse_region(features(square(179, 0), square(-180, 0)))
    assert (region.bounds.west, region.bounds.east) == (179, 181)


@pytest.mark.parametrize(
    ("area", "reason"),
    [
        (features(), "no feature has a geometry"),
        (feature(None), "no feature has a geometry"),
        ({"type": "FeatureCollection"}, "needs the list 'features'"),
        ({"type": "FeatureCollection", "features": [1]}, r"intersects\.features\.0: not a GeoJSON object"),
        (features(square(0, 0), square(179.5, 0)), r"intersects\.features\.1\.geometry: coordinates are longitude"),
        (features({"type": "Circle"}), r"intersects\.features\.0\.geometry: not a GeoJSON geometry"),
        ({"type": ["Feature"]}, "not a GeoJSON geometry"),
        (features(*[square(0, 0)] * (MAX_VERTICES // 5 + 1)), f"the limit is {MAX_VERTICES}"),
    ],
)
def test_what_cannot_be_a_region_is_named(area: GeoJSON, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        parse_region(area)
