"""Coordinate reference systems of requests and answers: CRS84, EPSG:4326 and EPSG:3857 (OGC API Features, part 2)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import cache

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from shapely.geometry import shape

from app.domain.places.geometry import GeoJSON, to_geojson
from app.errors import InvalidInput

MAX_LATITUDE = 85.0511287798066
"""The last latitude of EPSG:3857."""
_SHORT = re.compile(r"\[?(CRS84|EPSG:(?:4326|3857))\]?|urn:ogc:def:crs:(OGC|EPSG):[0-9.]*:(CRS84|4326|3857)", re.IGNORECASE)


class Crs(StrEnum):
    """A coordinate reference system by its URI. CRS84 is longitude, latitude; EPSG:4326 is latitude, longitude."""

    CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
    EPSG4326 = "http://www.opengis.net/def/crs/EPSG/0/4326"
    EPSG3857 = "http://www.opengis.net/def/crs/EPSG/0/3857"


def parse_crs(text: str | None, name: str) -> Crs:
    """The system of a parameter; CRS84 without one. name: of the parameter.

    Raises:
        InvalidInput: another system.
    """
    if text is None:
        return Crs.CRS84
    found = _SHORT.fullmatch(text)
    code = "" if found is None else (found[1] or found[3]).upper().removeprefix("EPSG:")
    uri = {"CRS84": Crs.CRS84, "4326": Crs.EPSG4326, "3857": Crs.EPSG3857}.get(code, text)
    if uri not in set(Crs):
        raise InvalidInput(f"{name} {text[:100]!r} is not supported; accepted: {', '.join(Crs)}")
    return Crs(uri)


def box_to_crs84(values: Sequence[float], crs: Crs) -> list[float]:
    """A bounding box of another system as west, south, east, north in degrees.

    Raises:
        InvalidInput: not 4 or 6 finite numbers, or no place on Earth.
    """
    numbers = [float(each) for each in values]
    if len(numbers) == 6:
        numbers = [numbers[at] for at in (0, 1, 3, 4)]
    if crs is Crs.CRS84:
        return numbers
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise InvalidInput("bbox: must be four numbers in the system of `bbox-crs`")
    if crs is Crs.EPSG4326:
        south, west, north, east = numbers
        return [west, south, east, north]
    west, south = _transformer(inverse=True).transform(numbers[0], numbers[1])
    east, north = _transformer(inverse=True).transform(numbers[2], numbers[3])
    if not all(map(math.isfinite, (west, south, east, north))):
        raise InvalidInput("bbox: the coordinates are outside of EPSG:3857 (metres)")
    return [_wrapped(west), south, _wrapped(east), north]


def from_crs84(geometry: GeoJSON, crs: Crs) -> GeoJSON:
    """A geometry in degrees in another system."""
    if crs is Crs.CRS84:
        return geometry
    moved = shapely.transform(shape(geometry), _swapped if crs is Crs.EPSG4326 else _to_metres)
    return to_geojson(moved)


def bounds_in(bounds: Sequence[float], crs: Crs) -> list[float]:
    """West, south, east, north in degrees as lower and upper corner in another system."""
    corners = np.array([bounds[:2], bounds[2:]], np.float64)
    if crs is Crs.CRS84:
        return [float(each) for each in bounds]
    moved: Callable[[NDArray[np.float64]], NDArray[np.float64]] = _swapped if crs is Crs.EPSG4326 else _to_metres
    return [float(each) for each in moved(corners).ravel()]


def _wrapped(longitude: float) -> float:
    return longitude if -180 <= longitude <= 180 else (longitude + 180) % 360 - 180


def _swapped(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return points[:, ::-1]


def _to_metres(points: NDArray[np.float64]) -> NDArray[np.float64]:
    latitudes = points[:, 1].clip(-MAX_LATITUDE, MAX_LATITUDE)
    return np.column_stack(_transformer(inverse=False).transform(points[:, 0], latitudes))


@cache
def _transformer(*, inverse: bool) -> Transformer:
    first, second = ("EPSG:3857", "OGC:CRS84") if inverse else ("OGC:CRS84", "EPSG:3857")
    return Transformer.from_crs(first, second, always_xy=True)
