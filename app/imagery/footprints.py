"""Where a window of a scene lies on Earth: its footprint in WGS 84 and its ground sample distance."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from pyproj.exceptions import CRSError, ProjError
from pyproj.network import set_network_enabled  # type: ignore[attr-defined]
from shapely.affinity import translate
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from app.domain.geometry import GeoJSON, to_geojson
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
    """A scene's pixels on Earth."""

    def __init__(self, pixel_to_crs: PixelToCrs, crs_wkt: str) -> None:
        """pixel_to_crs: from pixels to the CRS. crs_wkt: the CRS as WKT.

        Raises:
            InvalidInput: the CRS cannot be related to WGS 84.
        """
        self._pixel_to_crs = pixel_to_crs
        self._to_wgs84 = _transformer(crs_wkt)
        self._is_geographic = bool(self._to_wgs84.source_crs and self._to_wgs84.source_crs.is_geographic)

    def footprint(self, window: Window) -> GeoJSON | None:
        """The window's outline in WGS 84 lon/lat, a (Multi)Polygon cut at the antimeridian as RFC 7946 asks.

        Edges longer than 10 km get more vertices, because straight in the CRS is not straight in lon/lat. None where the
        window lies outside of what its CRS can express.
        """
        cols, rows = _outline(window, self._edge_steps(window))
        lon, lat = self._lonlat(cols, rows)
        if self._is_geographic:
            lat = np.clip(lat, -90, 90)
            is_usable = np.isfinite(lon) & np.isfinite(lat)
        else:  # at a pole itself the longitude says nothing; its neighbours outline the window well enough
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
            "the coordinate reference system of the file cannot be related to WGS 84; assign the right one"
            " (gdal_edit.py -a_srs) or give the place in the metadata"
        ) from None


def _outline(window: Window, steps: int) -> tuple[Floats, Floats]:
    """Columns and rows of a window's edge from its upper left corner, each side in `steps` parts, the first not repeated."""
    t = np.arange(steps) / steps
    zero, one = np.zeros(steps), np.ones(steps)
    cols = np.concatenate([zero, t, one, 1 - t])
    rows = np.concatenate([t, one, 1 - t, zero])
    return window.col + cols * window.width, window.row + rows * window.height


def _polygon(lon: Floats, lat: Floats) -> GeoJSON:
    """A GeoJSON (Multi)Polygon of a closed ring, counter-clockwise, cut at the antimeridian, with the pole if round one.

    The ring is followed without jumps (longitudes may leave -180..180), so cutting is plain geometry.
    """
    unwrapped = np.unwrap(lon, period=360.0)
    turn = unwrapped[-1] - unwrapped[0]
    if abs(turn) > 180:
        pole = math.copysign(90, float(np.mean(lat)))
        unwrapped = np.concatenate([unwrapped, unwrapped[[-1, 0, 0]]])
        lat = np.concatenate([lat, [pole, pole, lat[0]]])
    unwrapped = unwrapped - 360 * np.floor((unwrapped.min() + 180 + TOLERANCE) / 360)
    ring: BaseGeometry = shapely.Polygon(np.column_stack([unwrapped, lat]))
    if not ring.is_valid:
        ring = shapely.make_valid(ring, method="structure", keep_collapsed=False)
    if unwrapped.min() < -180 or unwrapped.max() > 180:
        ring = _cut(ring)
    return to_geojson(shapely.orient_polygons(ring))


def _cut(ring: BaseGeometry) -> BaseGeometry:
    """Cut at 180 degrees; what lies beyond moves one turn back."""
    beyond = translate(ring.intersection(box(180, -90, 540, 90)), xoff=-360)
    within = ring.intersection(box(-180, -90, 180, 90))
    parts = [part for side in (within, beyond) for part in _polygons(side) if part.bounds[2] - part.bounds[0] > TOLERANCE]
    return shapely.union_all(parts, grid_size=TOLERANCE)


def _polygons(geometry: BaseGeometry) -> list[shapely.Polygon]:
    return [part for part in shapely.get_parts(geometry) if isinstance(part, shapely.Polygon)]
