"""The footprint of a scene's window in WGS 84 and its ground sample distance.

The library `antimeridian` cuts footprints. It requires rings of the right direction around a pole, and may return polygons that
intersect themselves there; both are handled here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import antimeridian
import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from pyproj.exceptions import CRSError, ProjError
from pyproj.network import set_network_enabled  # type: ignore[attr-defined]
from shapely.geometry.base import BaseGeometry

from app.domain.places.geometry import GeoJSON, to_geojson
from app.domain.tiles import Window
from app.errors import InvalidInput

Floats = NDArray[np.float64]
PixelToCrs = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""Columns and rows (pixel corners at whole numbers) to x and y in the scene's CRS."""

STEP_M = 10_000.0
MAX_STEPS = 16
TOLERANCE = 1e-7
"""Degrees; about a centimetre."""
_GEOD = pyproj.Geod(ellps="WGS84")


class Georeference:
    """Converts a scene's pixel coordinates to positions in WGS 84."""

    def __init__(self, pixel_to_crs: PixelToCrs, crs_wkt: str) -> None:
        """pixel_to_crs: from pixels to the CRS. crs_wkt: the CRS as WKT.

        Raises:
            InvalidInput: the CRS cannot be transformed to WGS 84.
        """
        self._pixel_to_crs = pixel_to_crs
        self._to_wgs84 = _transformer(crs_wkt)
        self._is_geographic = bool(self._to_wgs84.source_crs and self._to_wgs84.source_crs.is_geographic)

    @classmethod
    def of_affine(cls, transform: tuple[float, float, float, float, float, float], crs_wkt: str) -> Georeference:
        """The georeference of a geotransform `a, b, c, d, e, f`: x = a col + b row + c, y = d col + e row + f.

        Raises:
            InvalidInput: the CRS cannot be transformed to WGS 84.
        """
        a, b, c, d, e, f = transform
        return cls(lambda cols, rows: (a * cols + b * rows + c, d * cols + e * rows + f), crs_wkt)

    def footprint(self, window: Window) -> GeoJSON | None:
        """The window's outline in WGS 84 lon/lat, a (Multi)Polygon cut at the antimeridian as RFC 7946 asks.

        Edges longer than 10 km get more vertices, because a straight line in the CRS is not straight in lon/lat. None where the
        window lies outside the domain of its CRS, or has no area.
        """
        cols, rows = _outline(window, self._edge_steps(window))
        lon, lat = self._lonlat(cols, rows)
        if self._is_geographic:
            lat = np.clip(lat, -90, 90)
            is_usable = np.isfinite(lon) & np.isfinite(lat)
        else:  # the longitude of a pole is undefined; the other vertices outline the window well enough
            is_usable = np.isfinite(lon) & (np.abs(lat) < 90 - TOLERANCE)
        lon, lat = lon[is_usable], lat[is_usable]
        if len(lon) < 4:
            return None
        return _polygon(np.append(lon, lon[0]), np.append(lat, lat[0]))

    def gsd(self, window: Window) -> float | None:
        """Mean of the pixel's width and height on the ground in metres at the window's centre, to 4 significant digits."""
        col, row = window.col + window.width / 2, window.row + window.height / 2
        lon, lat = self._lonlat(np.array([col, col + 1, col]), np.array([row, row, row + 1]))
        if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
            return None
        _, _, metres = _GEOD.inv(lon[[0, 0]], lat[[0, 0]], lon[1:], lat[1:])
        mean = float(np.mean(metres))
        return float(f"{mean:.4g}") if math.isfinite(mean) and mean > 0 else None

    def _edge_steps(self, window: Window) -> int:
        lon, lat = self._lonlat(*_outline(window, 1))
        if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
            return MAX_STEPS
        if np.abs(lat).max() > 89:
            return MAX_STEPS
        _, _, metres = _GEOD.inv(lon, lat, np.roll(lon, -1), np.roll(lat, -1))
        return int(np.clip(math.ceil(float(np.max(metres)) / STEP_M), 1, MAX_STEPS))

    def _lonlat(self, cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
        x, y = self._pixel_to_crs(cols, rows)
        try:
            lon, lat = self._to_wgs84.transform(x, y)
        except ProjError:
            return np.full(len(cols), np.nan), np.full(len(cols), np.nan)
        return np.asarray(lon, np.float64), np.asarray(lat, np.float64)


@lru_cache(maxsize=32)
def _transformer(crs_wkt: str) -> pyproj.Transformer:
    set_network_enabled(active=False)
    try:
        return pyproj.Transformer.from_crs(pyproj.CRS.from_wkt(crs_wkt), "EPSG:4326", always_xy=True)
    except (CRSError, ProjError):
        raise InvalidInput(
            "the coordinate reference system (CRS) of the file cannot be transformed to WGS 84; assign the right one"
            " (gdal_edit.py -a_srs) or give `geometry` or `bbox` in the metadata"
        ) from None


def _outline(window: Window, steps: int) -> tuple[Floats, Floats]:
    """Columns and rows of a window's edge from its upper left corner, each side in `steps` parts, the first not repeated."""
    t = np.arange(steps) / steps
    zero, one = np.zeros(steps), np.ones(steps)
    cols = np.concatenate([zero, t, one, 1 - t])
    rows = np.concatenate([t, one, 1 - t, zero])
    return window.col + cols * window.width, window.row + rows * window.height


def _polygon(lon: Floats, lat: Floats) -> GeoJSON | None:
    """The GeoJSON (Multi)Polygon of a closed ring, counter-clockwise, cut at the antimeridian; None for a ring without area.

    A ring around a pole contains the pole.
    """
    unwrapped = np.unwrap(lon, period=360.0)
    turn = unwrapped[-1] - unwrapped[0]
    if abs(turn) > 180:  # `antimeridian` adds the pole to the left of the ring: north if it runs eastwards, south if westwards
        ring = shapely.Polygon(np.column_stack([lon, lat])[:-1])
        outline = _cut([ring if (turn > 0) == (np.mean(lat) > 0) else ring.reverse()])
    else:
        unwrapped = unwrapped - 360 * np.floor((unwrapped.min() + 180 + TOLERANCE) / 360)
        outline = _valid(shapely.Polygon(np.column_stack([unwrapped, lat])[:-1]))
        if outline.area == 0:
            return None
        if unwrapped.min() < -180 or unwrapped.max() > 180:
            outline = _cut(_polygons(shapely.orient_polygons(outline)))
    return to_geojson(shapely.orient_polygons(outline))


def _cut(rings: Sequence[shapely.Polygon]) -> BaseGeometry:
    cut = [antimeridian.fix_polygon(ring, great_circle=False, fix_winding=False) for ring in rings]
    return shapely.union_all([_valid(geometry) for geometry in cut])


def _valid(geometry: BaseGeometry) -> BaseGeometry:
    """Without self-intersections, which also `antimeridian` leaves where a corner lies on longitude 180 beside a pole."""
    return geometry if geometry.is_valid else shapely.make_valid(geometry, method="structure", keep_collapsed=False)


def _polygons(geometry: BaseGeometry) -> list[shapely.Polygon]:
    return [part for part in shapely.get_parts(geometry) if isinstance(part, shapely.Polygon)]
