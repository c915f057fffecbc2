"""Labels as GeoJSON: a FeatureCollection, a Feature, or a sequence of Features; read one feature at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from app.domain.places.geometry import parse_geometry
from app.errors import InvalidInput, Unprocessable
from app.services.labels.rows import LabelRow, RowNote, item_id, joined, label_list, label_values

CHUNK = 1 << 20
MAX_VALUE = 16 << 20
"""Maximum length of one feature, in characters."""
PLACES = ("Point", "MultiPoint", "Polygon", "MultiPolygon")
WGS84 = ("CRS84", "EPSG::4326", "EPSG:4326")
_SPACE = " \t\r\n\x1e"


def read_geojson(path: Path) -> Iterator[LabelRow | RowNote]:
    """The features of a file in order; an invalid feature is returned as a note with the reason.

    A feature refers to tiles by its `id` or `properties.id`, else by its geometry; the properties `label` and `labels` give
    their labels. `line` is the line where the feature begins.

    Raises:
        Unprocessable: the file is not GeoJSON, or its coordinate system is not WGS 84.
    """
    with path.open(encoding="utf-8-sig") as file:
        text = _Text(file)
        try:
            while text.peek():
                yield from (_row(line, feature) for line, feature in _features(text))
        except UnicodeDecodeError:
            raise Unprocessable("the GeoJSON is not UTF-8") from None
        except RecursionError:
            raise Unprocessable(f"not GeoJSON, at line {text.line}: too deeply nested") from None
        except ValueError as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else error
            raise Unprocessable(f"not GeoJSON, at line {text.line}: {reason}") from None


def _features(text: _Text) -> Iterator[tuple[int, Any]]:
    """The features of the next JSON object of a text, with their lines."""
    line = text.line
    members: dict[str, Any] = {}
    text.take("{")
    while text.peek() != "}":
        key = text.value()
        text.take(":")
        if key == "features":
            yield from _items(text)
        else:
            members[str(key)] = text.value()
        if text.peek() != "}":
            text.take(",")
    text.take("}")
    if members.get("type") == "Feature":
        yield line, members
    elif members.get("type") != "FeatureCollection":
        raise ValueError("the object must be a FeatureCollection or a Feature")
    name = str(members.get("crs") or "")
    if name and not any(known in name for known in WGS84):
        raise ValueError("the coordinates are not WGS 84 (longitude, latitude); export the file in EPSG:4326")


def _items(text: _Text) -> Iterator[tuple[int, Any]]:
    text.take("[")
    while text.peek() != "]":
        line = text.line
        yield line, text.value()
        if text.peek() != "]":
            text.take(",")
    text.take("]")


def _row(line: int, feature: Any) -> LabelRow | RowNote:
    try:
        return _understood(line, feature)
    except InvalidInput as error:
        return RowNote(line, "", str(error))


def _understood(line: int, feature: Any) -> LabelRow:
    if not isinstance(feature, Mapping) or feature.get("type") != "Feature":
        raise InvalidInput("not a Feature")
    properties = feature.get("properties") or {}
    if not isinstance(properties, Mapping):
        raise InvalidInput("`properties` is not an object")
    labels = _labels(properties)
    for given in (feature.get("id"), properties.get("id")):
        if isinstance(given, str) and (found := item_id(given)):
            return LabelRow(line, labels, id=found)
    geometry = feature.get("geometry")
    if geometry is None:
        raise InvalidInput("no tile is given: set `id` to a tile id, or add a geometry")
    if not isinstance(geometry, Mapping) or geometry.get("type") not in PLACES:
        raise InvalidInput(f"the geometry must be one of {', '.join(PLACES)}")
    return LabelRow(line, labels, place=parse_geometry(geometry, "geometry"))


def _labels(properties: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The labels of a feature; None if both properties are null or empty, so the labels do not change."""
    if not {"label", "labels"} & properties.keys():
        raise InvalidInput("the feature has no property `label` or `labels`")
    single, several = properties.get("label"), properties.get("labels")
    if single in (None, "") and several in (None, ""):
        return None
    return joined(label_values(single), label_values(several, label_list))


class _Text:
    """A JSON text that is read through a moving window. line: the current line number."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._decoder = json.JSONDecoder()
        self._window = ""
        self._at = 0
        self.line = 1

    def peek(self) -> str:
        """The next character that is not whitespace; empty at the end."""
        while True:
            rest = self._window[self._at : self._at + 64]
            space = len(rest) - len(rest.lstrip(_SPACE))
            self._advance(self._at + space)
            if space < len(rest):
                return rest[space]
            if not rest and not self._more():
                return ""

    def take(self, character: str) -> None:
        """Consume the given character; raises `ValueError` if another one is next."""
        found = self.peek()
        if found != character:
            raise ValueError(f"{character!r} is missing" if found else "the file is cut short")
        self._advance(self._at + 1)

    def value(self) -> Any:
        """Read the next JSON value."""
        if not self.peek():
            raise ValueError("the file is cut short")
        while True:
            try:
                value, end = self._decoder.raw_decode(self._window, self._at)
            except json.JSONDecodeError:
                if not self._more():
                    raise
                continue
            if end < len(self._window) or not self._more():  # a number may continue after the window
                self._advance(end)
                return value

    def _advance(self, at: int) -> None:
        self.line += self._window.count("\n", self._at, at)
        self._at = at

    def _more(self) -> bool:
        """Extend the window; False at the end of the file, or if the next value exceeds `MAX_VALUE`."""
        left = len(self._window) - self._at
        if left > MAX_VALUE:
            return False
        chunk = self._file.read(max(CHUNK, left))  # doubling, because a long value is parsed again after each read
        self._window, self._at = self._window[self._at :] + chunk, 0
        return bool(chunk)
