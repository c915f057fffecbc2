"""Values of expressions: the properties of tiles, times and geometries."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from app.domain.places.geometry import parse_bbox, parse_region
from app.domain.temporal import parse_instant
from app.domain.tiles import Tile
from app.errors import InvalidInput

Read = Callable[[Tile], Any]
"""The value of an expression for a tile; None where it is not known."""
Interval = tuple[datetime, datetime]
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
BUILT_IN: dict[str, Read] = {
    "id": lambda tile: tile.id,
    "geometry": lambda tile: None if tile.geometry is None else shape(tile.geometry),
    "datetime": lambda tile: tile.datetime,
    "labels": lambda tile: list(tile.labels),
    "file_name": lambda tile: tile.file_name,
    "source": lambda tile: tile.source,
    "window": lambda tile: None if tile.window is None else str(tile.window),
    "gsd": lambda tile: tile.gsd,
    "indexed_at": lambda tile: tile.indexed_at,
}
"""Properties that every tile has."""
_PREFIX = "properties."
_DAY = timedelta(days=1) - timedelta(microseconds=1)


def plain_name(name: str) -> str:
    """The name of a property without the prefix `properties.`, which STAC clients add."""
    return name.removeprefix(_PREFIX)


def read_property(name: str) -> Read:
    """The reader of a property; those of the tile itself come first."""
    plain = plain_name(name)
    return BUILT_IN.get(plain) or (lambda tile: tile.properties.get(plain))


def literal(node: dict[str, Any]) -> Any:
    """A time, interval, box or geometry of an expression.

    Raises:
        InvalidInput: it is none of these.
    """
    if "timestamp" in node:
        return parse_instant(_text(node["timestamp"]))
    if "date" in node:
        start = parse_instant(_text(node["date"]))
        return start, start + _DAY
    if "interval" in node:
        ends = node["interval"]
        if not isinstance(ends, list) or len(ends) != 2:
            raise InvalidInput("filter: an interval has two ends")
        return _end(ends[0], FIRST), _end(ends[1], LAST)
    if "bbox" in node:
        numbers = node["bbox"]
        if not isinstance(numbers, list) or not all(isinstance(each, int | float) for each in numbers):
            raise InvalidInput("filter: a bbox is a list of four numbers")
        return parse_bbox(numbers).geometry
    if "type" in node:
        return parse_region(node).geometry
    raise InvalidInput(f"filter: {str(node)[:100]} is not an expression of CQL2")


def as_time(value: Any) -> Interval | None:
    """A value as an interval of time: an instant is an interval without length."""
    if isinstance(value, tuple):
        return value[0], value[1]
    if isinstance(value, datetime):
        return value, value
    if isinstance(value, str):
        try:
            instant = parse_instant(value)
        except InvalidInput:
            return None
        return instant, instant
    return None


def as_geometry(value: Any) -> BaseGeometry | None:
    """A value as a geometry; GeoJSON in a property is understood, too."""
    if isinstance(value, BaseGeometry):
        return value
    try:
        return shape(value) if isinstance(value, dict) else None
    except (shapely.errors.ShapelyError, ValueError, TypeError, KeyError, AttributeError):
        return None


def without_accents(text: str) -> str:
    """A text without its diacritics."""
    return "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))


def _end(value: Any, is_open: datetime) -> datetime:
    if isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    return is_open if value in ("..", "") else parse_instant(_text(value))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"filter: the time {str(value)[:50]} is not a text")
    return value
