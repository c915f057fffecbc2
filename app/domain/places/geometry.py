"""Geometry in WGS 84 lon/lat: GeoJSON footprints, query regions, the antimeridian.

A GeoJSON geometry that crosses the antimeridian is a MultiPolygon cut at +-180 (RFC 7946, 3.1.9). For filters a tile also
has `Bounds` that may run past 180 east, so that a box over the antimeridian is one interval.

Boxes are cut and joined here. The library `antimeridian`, which cuts footprints of scenes (`app.imagery.footprints`), takes an
edge of more than 180 degrees for a crossing, so that a wider box becomes its complement, and cannot join what was cut.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import shapely
from shapely.affinity import translate
from shapely.errors import ShapelyError
from shapely.geometry import box, mapping, shape
from shapely.geometry.base import BaseGeometry

from app.errors import InvalidInput

GeoJSON = dict[str, Any]
MAX_VERTICES = 10_000
_COLLECTIONS = {"FeatureCollection": "features", "GeometryCollection": "geometries"}


@dataclass(frozen=True, slots=True)
class Bounds:
    """West, south, east, north in degrees; `east` exceeds 180 where the antimeridian is crossed (west <= east always)."""

    west: float
    south: float
    east: float
    north: float

    def shifts(self) -> tuple[Bounds, ...]:
        """This box and its copies, 360 degrees east or west, that can overlap another unwrapped box (west in [-180, 180])."""
        copies = [self]
        if self.west <= 0:
            copies.append(Bounds(self.west + 360, self.south, self.east + 360, self.north))
        if self.east > 180:
            copies.append(Bounds(self.west - 360, self.south, self.east - 360, self.north))
        return tuple(copies)


@dataclass(frozen=True, slots=True)
class Region:
    """The region of a search: a (multi)polygon in lon/lat, unwrapped like `Bounds`, and its bounds."""

    geometry: BaseGeometry
    bounds: Bounds

    def intersects(self, footprint: GeoJSON) -> bool:
        """Whether a tile's GeoJSON footprint meets the region, on either side of the antimeridian."""
        other = _unwrap(shape(footprint))
        return any(self.geometry.intersects(_shift(other, turn)) for turn in (0, 360, -360))


def parse_bbox(values: Sequence[float]) -> Region:
    """The region of a STAC bbox `[west, south, east, north]`; west > east crosses the antimeridian. Heights are ignored.

    Raises:
        InvalidInput: not 4 or 6 finite numbers, or latitudes swapped or out of range.
    """
    numbers = [float(v) for v in values]
    if len(numbers) == 6:
        numbers = [numbers[i] for i in (0, 1, 3, 4)]
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise InvalidInput("bbox: must be four numbers, west,south,east,north, in degrees")
    west, south, east, north = numbers
    if not (-90 <= south <= north <= 90):
        raise InvalidInput(f"bbox: south {south:g} and north {north:g} must be in order and within -90..90")
    if not (-180 <= west <= 180 and -180 <= east <= 180):
        raise InvalidInput(f"bbox: west {west:g} and east {east:g} must be within -180..180")
    if east < west:
        east += 360
    return Region(box(west, south, east, north), Bounds(west, south, east, north))


def parse_region(geometry: Mapping[str, Any]) -> Region:
    """The region of a GeoJSON geometry of any type, or the union of the geometries of a collection or of features.

    Holes are excluded; features without a geometry are ignored.

    Raises:
        InvalidInput: not valid GeoJSON, out of range, or more than `MAX_VERTICES` vertices.
    """
    name = "intersects"
    geom = _unwrap(_union([parse_geometry(each, where) for where, each in _members(geometry, name)], name))
    return Region(geom, Bounds(*geom.bounds))


def _members(value: object, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The geometries of a GeoJSON object, each with its location for error messages."""
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{name}: not a GeoJSON object")
    kind = str(value.get("type"))
    if kind == "Feature" and value.get("geometry") is not None:
        yield from _members(value["geometry"], f"{name}.geometry")
    elif kind in _COLLECTIONS:
        members = value.get(_COLLECTIONS[kind])
        if not isinstance(members, list):
            raise InvalidInput(f"{name}: a {kind} needs the list {_COLLECTIONS[kind]!r}")
        for number, member in enumerate(members):
            yield from _members(member, f"{name}.{_COLLECTIONS[kind]}.{number}")
    elif kind != "Feature":
        yield name, value


def _union(geometries: Sequence[BaseGeometry], name: str) -> BaseGeometry:
    if not geometries:
        raise InvalidInput(f"{name}: no feature has a geometry; send a GeoJSON geometry, or features with one")
    _check_vertices(int(shapely.get_num_coordinates(geometries).sum()), name)
    return geometries[0] if len(geometries) == 1 else shapely.union_all(geometries)


def parse_footprint(geometry: Mapping[str, Any]) -> GeoJSON:
    """Check a tile's footprint from a client, and return it as normalised GeoJSON.

    Raises:
        InvalidInput: as `parse_region`.
    """
    return to_geojson(parse_geometry(geometry, "geometry"))


def bbox_footprint(values: Sequence[float]) -> GeoJSON:
    """The GeoJSON footprint of a bbox, cut in two where it crosses the antimeridian."""
    bounds = parse_bbox(values).bounds
    if bounds.east <= 180:
        return to_geojson(box(bounds.west, bounds.south, bounds.east, bounds.north))
    parts = [box(bounds.west, bounds.south, 180, bounds.north), box(-180, bounds.south, bounds.east - 360, bounds.north)]
    return to_geojson(shapely.MultiPolygon(parts))


def parse_geometry(geometry: Mapping[str, Any], name: str) -> BaseGeometry:
    """A GeoJSON geometry of any type, two-dimensional, in lon/lat. name: of the parameter, for error messages.

    Raises:
        InvalidInput: not valid, out of range, or more than `MAX_VERTICES` vertices.
    """
    try:
        geom = shapely.force_2d(shape(dict(geometry)))
    except (ShapelyError, ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise InvalidInput(f"{name}: not a GeoJSON geometry ({error})") from None
    if geom.is_empty:
        raise InvalidInput(f"{name}: the geometry is empty")
    _check_vertices(int(shapely.get_num_coordinates(geom)), name)
    west, south, east, north = geom.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise InvalidInput(f"{name}: coordinates are longitude, latitude in degrees (WGS 84); got {geom.bounds}")
    if not geom.is_valid:
        raise InvalidInput(f"{name}: {shapely.is_valid_reason(geom)}")
    return geom


def _check_vertices(number: int, name: str) -> None:
    if number > MAX_VERTICES:
        raise InvalidInput(f"{name}: {number} vertices; the limit is {MAX_VERTICES}, so simplify the geometry")


def footprint_bounds(footprint: GeoJSON) -> Bounds:
    """The unwrapped bounds of a footprint."""
    if footprint["type"] == "Polygon":  # nearly every one; shapely takes ten times as long
        lons, lats = zip(*footprint["coordinates"][0], strict=True)
        return Bounds(float(min(lons)), float(min(lats)), float(max(lons)), float(max(lats)))
    return Bounds(*_unwrap(shape(footprint)).bounds)


def footprint_centre(footprint: GeoJSON) -> tuple[float, float]:
    """Longitude (-180 to 180) and latitude of a footprint's centroid, to 7 decimals."""
    centre = _unwrap(shape(footprint)).centroid
    return round((centre.x + 180) % 360 - 180, 7), round(centre.y, 7)


def to_geojson(geometry: BaseGeometry) -> GeoJSON:
    """Write a shapely geometry as GeoJSON with lists (not tuples) and 7 decimals (about a centimetre)."""
    rounded = shapely.set_precision(geometry, 1e-7, mode="pointwise")
    geojson: GeoJSON = _listed(mapping(rounded))
    return geojson


def _listed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _listed(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_listed(v) for v in value]
    return value


def _unwrap(geometry: BaseGeometry) -> BaseGeometry:
    """Join the parts of a geometry that is cut at the antimeridian: parts in the western hemisphere move 360 degrees east."""
    parts = getattr(geometry, "geoms", None)
    west, _, east, _ = geometry.bounds
    if parts is None or len(parts) < 2 or west > -180 or east < 180:
        return geometry
    return shapely.union_all([_shift(part, 360) if part.bounds[2] < 0 else part for part in parts])


def _shift(geometry: BaseGeometry, degrees: float) -> BaseGeometry:
    return geometry if degrees == 0 else translate(geometry, xoff=degrees)
