"""Footprints and ground sample distances against pyproj, at every corner of the Earth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import antimeridian
import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from shapely.geometry import box, shape

from app.domain.places.geometry import footprint_bounds, parse_footprint
from app.domain.tiles import Window
from app.errors import InvalidInput
from app.imagery.footprints import Georeference
from tests.support import images
from tests.support.cutting import spec, tiles


def georeference(transform: rasterio.Affine, crs: str) -> Georeference:
    a, b, c, d, e, f = transform[:6]
    return Georeference(
        lambda cols, rows: (a * cols + b * rows + c, d * cols + e * rows + f), pyproj.CRS.from_user_input(crs).to_wkt()
    )


def corners(path: Path, window: Window) -> np.ndarray:
    """The window's corners in lon/lat by pyproj, (4, 2)."""
    with rasterio.open(path) as scene:
        a, b, c, d, e, f = scene.transform[:6]
        to_wgs84 = pyproj.Transformer.from_crs(scene.crs.to_wkt(), "EPSG:4326", always_xy=True)
    cols = np.array([window.col, window.col + window.width, window.col + window.width, window.col])
    rows = np.array([window.row, window.row, window.row + window.height, window.row + window.height])
    return np.column_stack(to_wgs84.transform(a * cols + b * rows + c, d * cols + e * rows + f))


def vertices(footprint: dict[str, Any]) -> np.ndarray:
    return shapely.get_coordinates(shape(footprint))


@pytest.mark.parametrize("make", [images.rgb_tif, images.rotated_tif, images.southern_tif, images.antimeridian_tif])
def test_every_corner_of_every_tile_is_where_pyproj_says(tmp_path: Path, make: Any) -> None:
    path = make(tmp_path / "x.tif")
    for tile in tiles(path):
        assert tile.window is not None
        assert tile.geometry is not None
        assert parse_footprint(tile.geometry) == tile.geometry, "valid GeoJSON in range"
        ring = vertices(tile.geometry)
        for lon, lat in corners(path, tile.window):
            away = np.hypot((ring[:, 0] - lon + 180) % 360 - 180, ring[:, 1] - lat)
            assert away.min() < 1e-6
        for part in getattr(shape(tile.geometry), "geoms", [shape(tile.geometry)]):
            assert shapely.is_ccw(part.exterior)


def test_the_southern_scene_is_in_sydney(tmp_path: Path) -> None:
    tile = tiles(images.southern_tif(tmp_path / "x.tif"))[0]
    assert tile.geometry is not None
    assert shape(tile.geometry).centroid.distance(shapely.Point(151.21, -33.86)) < 0.05
    assert tile.gsd == pytest.approx(10, rel=0.002)


def test_rotation_keeps_area_and_pixel_size(tmp_path: Path) -> None:
    tile = tiles(images.rotated_tif(tmp_path / "x.tif"))[0]
    assert tile.geometry is not None
    area, _ = pyproj.Geod(ellps="WGS84").geometry_area_perimeter(shape(tile.geometry))
    assert abs(area) == pytest.approx((64 * 2) ** 2, rel=0.002)
    assert tile.gsd == pytest.approx(2, rel=0.001)
    ring = vertices(tile.geometry)
    assert len({round(lon, 7) for lon, _ in ring}) > 2, "not a box"


def test_the_antimeridian_cuts_in_two(tmp_path: Path) -> None:
    found = tiles(images.antimeridian_tif(tmp_path / "x.tif"), spec(tile_size=128, stride=128))
    (footprint,) = [tile.geometry for tile in found]
    assert footprint is not None
    assert footprint["type"] == "MultiPolygon"
    west, east = sorted(shapely.get_parts(shape(footprint)), key=lambda part: part.bounds[0])
    assert west.bounds[0] == -180
    assert west.bounds[2] < -178
    assert east.bounds[2] == 180
    assert east.bounds[0] > 178
    bounds = footprint_bounds(footprint)
    assert 178 < bounds.west < 180 < bounds.east < 182
    area = sum(abs(pyproj.Geod(ellps="WGS84").geometry_area_perimeter(part)[0]) for part in (west, east))
    assert area == pytest.approx(128_000**2, rel=0.01)


@pytest.mark.parametrize("west", [176.0, 178.5, 179.99, -182.0, 358.9])
@pytest.mark.parametrize("south", [-60.0, 0.0, 70.0])
def test_cutting_agrees_with_the_antimeridian_library(west: float, south: float) -> None:
    place = georeference(rasterio.Affine(0.01, 0, west, 0, -0.01, south + 2), "EPSG:4326")
    footprint = place.footprint(Window(0, 0, 300, 200))
    assert footprint is not None
    oracle = antimeridian.fix_polygon(box(west, south, west + 3, south + 2), great_circle=False, fix_winding=True)
    assert shape(footprint).symmetric_difference(oracle).area < 1e-5


def test_edges_on_the_antimeridian_are_not_slivers() -> None:
    for west in (177.0, -180.0):
        footprint = georeference(rasterio.Affine(0.01, 0, west, 0, -0.01, 2), "EPSG:4326").footprint(Window(0, 0, 300, 200))
        assert footprint is not None
        assert footprint["type"] == "Polygon"
        assert shape(footprint).area == pytest.approx(6, abs=1e-6)
    mercator = georeference(rasterio.Affine(1000, 0, 20_037_508.342789244 - 100_000, 0, -1000, 0), "EPSG:3857")
    footprint = mercator.footprint(Window(0, 0, 100, 100))
    assert footprint is not None
    assert footprint["type"] == "Polygon"


def test_the_whole_world_is_one_box() -> None:
    for west in (-180.0, 0.0, -180.25):
        footprint = georeference(rasterio.Affine(0.5, 0, west, 0, -0.5, 90.25), "EPSG:4326").footprint(Window(0, 0, 720, 361))
        assert footprint is not None
        assert shape(footprint).area == pytest.approx(360 * 180, rel=0.001)
        assert shape(footprint).is_valid


@pytest.mark.parametrize(("crs", "pole"), [("EPSG:3413", 90), ("EPSG:3031", -90), ("EPSG:3995", 90)])
def test_poles(crs: str, pole: int) -> None:
    over = georeference(rasterio.Affine(1000, 0, -100_000, 0, -1000, 120_000), crs)
    footprint = over.footprint(Window(0, 0, 256, 256))
    assert footprint is not None
    assert parse_footprint(footprint) == footprint
    assert shape(footprint).distance(shapely.Point(12.0, pole)) < 1e-6, "the pole is inside"
    assert shape(footprint).distance(shapely.Point(-140.0, pole * 0.999)) < 1e-6
    assert over.gsd(Window(0, 0, 256, 256)) == pytest.approx(1000, rel=0.05)
    for corner in ((0, 0), (-256_000, 0), (0, 256_000), (-256_000, 256_000)):  # a tile with its corner just on the pole
        beside = georeference(rasterio.Affine(1000, 0, corner[0], 0, -1000, corner[1]), crs).footprint(Window(0, 0, 256, 256))
        assert beside is not None
        assert parse_footprint(beside) == beside
        assert shape(beside).area < 360 * 4


def test_large_tiles_follow_their_curves() -> None:
    place = georeference(rasterio.Affine(1000, 0, 300_000, 0, -1000, 7_000_000), "EPSG:32633")
    footprint = place.footprint(Window(0, 0, 256, 256))
    assert footprint is not None
    to_wgs84 = pyproj.Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True)
    xs = np.linspace(300_000, 556_000, 500)
    edge = shapely.LineString(np.column_stack(to_wgs84.transform(xs, np.full(500, 7_000_000.0))))
    assert max(shape(footprint).boundary.distance(shapely.Point(point)) for point in edge.coords) < 0.002
    small = place.footprint(Window(0, 0, 4, 4))
    assert small is not None
    assert len(vertices(small)) == 5


def test_outside_of_the_projection_is_nowhere() -> None:
    full_disc = georeference(rasterio.Affine(3000, 0, -5_500_000, 0, -3000, 5_500_000), "+proj=geos +h=35785831 +lon_0=0")
    assert full_disc.footprint(Window(0, 0, 64, 64)) is None
    assert full_disc.gsd(Window(0, 0, 64, 64)) is None
    assert full_disc.footprint(Window(1700, 1700, 64, 64)) is not None


def test_gsd_is_metres_on_the_ground() -> None:
    window = Window(0, 0, 64, 64)
    mercator = georeference(rasterio.Affine(10, 0, 0, 0, -10, 8_400_000), "EPSG:3857").gsd(window)
    assert mercator == pytest.approx(10 * np.cos(np.radians(60.1)), rel=0.01)
    feet = georeference(rasterio.Affine(3, 0, 6_000_000, 0, -3, 2_100_000), "EPSG:2227").gsd(window)
    assert feet == pytest.approx(0.9144, rel=0.001)
    degrees = georeference(rasterio.Affine(0.001, 0, 10, 0, -0.001, 0), "EPSG:4326").gsd(window)
    assert degrees == pytest.approx(111, rel=0.01)


def test_ground_control_points(tmp_path: Path) -> None:
    path = images.gcp_tif(tmp_path / "x.tif")
    found = tiles(path)
    assert [str(tile.window) for tile in found] == ["0,0,64,64", "36,0,64,64", "0,16,64,64", "36,16,64,64"]
    expected = box(10.036, 49.92, 10.1, 49.984)
    assert found[3].geometry is not None
    assert shape(found[3].geometry).symmetric_difference(expected).area < 1e-6
    assert found[3].gsd == pytest.approx((111.3 + 71.8) / 2, rel=0.01)
    assert isinstance(found[3].image, bytes)
    again = tmp_path / "window.tif"
    again.write_bytes(found[3].image)
    (tile,) = tiles(again)
    assert tile.geometry is not None
    assert shape(tile.geometry).symmetric_difference(expected).area < 1e-6


def test_control_points_without_crs_or_that_make_no_sense(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no coordinate reference system"):
        tiles(images.gcp_tif(tmp_path / "x.tif", crs=None))
    same = [rasterio.control.GroundControlPoint(5, 5, 10, 50) for _ in range(4)]
    with pytest.raises(InvalidInput, match="do not fit together"):
        tiles(images.geotiff(tmp_path / "y.tif", crs="EPSG:4326", gcps=same))


def test_a_degenerate_transform_is_refused(tmp_path: Path) -> None:
    path = images.geotiff(tmp_path / "x.tif", transform=rasterio.Affine(1, 1, 500_000, 1, 1, 5_000_000))
    with pytest.raises(InvalidInput, match="degenerate"):
        tiles(path)


@pytest.mark.parametrize("crs", ["EPSG:3413", "EPSG:3031", "EPSG:3995"])
@pytest.mark.parametrize("flip", [1, -1])
@pytest.mark.parametrize("side", [0.0, 0.5, 1.0])
def test_a_tile_beside_a_pole_keeps_its_area(crs: str, flip: int, side: float) -> None:
    """The pole is inside the tile, on its edge or on its corner, and rows run north or south."""
    left, top = -side * 64_000, 32_000 if flip == 1 else -32_000
    footprint = georeference(rasterio.Affine(1000, 0, left, 0, -1000 * flip, top), crs).footprint(Window(0, 0, 64, 64))
    assert footprint is not None
    assert parse_footprint(footprint) == footprint
    parts = shapely.get_parts(shapely.segmentize(shape(footprint), 0.05))
    to_crs = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    area = sum(shapely.transform(part, lambda xy: np.column_stack(to_crs.transform(*xy.T))).area for part in parts)
    assert area == pytest.approx(64_000**2, rel=0.01)


def test_a_window_beyond_the_pole_has_no_footprint() -> None:
    place = georeference(rasterio.Affine(0.01, 0, 179, 0, 0.01, 90), "EPSG:4326")
    assert place.footprint(Window(0, 0, 256, 256)) is None
