"""A layer as a Mapbox Vector Tile (version 2): polygons with their properties; encoded here, as it takes few lines."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

import numpy as np
import shapely
from numpy.typing import NDArray

from app.services.maps.mercator import SIZE, MapTile
from app.services.maps.similarity_layer import SimilarityLayer, Value
from app.services.maps.similarity_png import CELL, Style, cell_values, is_coarse

EXTENT = 4096
MARGIN = 0.05
"""Width around the tile in which geometries are kept, in parts of its side."""
_SMALL = [bytes([value]) for value in range(128)]


def encode(layer: SimilarityLayer, tile: MapTile, style: Style, name: str) -> bytes:
    """The tile with one layer `name`: footprints, or cells where footprints are too small, with the properties that the layer
    gives them; empty if nothing is there.
    """
    rows = layer.within(tile, MARGIN)
    rows = rows[layer.values[rows] >= style.min_probability]
    if not len(rows):
        return b""
    pairs = _cells(layer, tile, rows, style) if is_coarse(layer, tile) else _footprints(layer, tile, rows)
    return _tile(name, pairs)


def _footprints(
    layer: SimilarityLayer, tile: MapTile, rows: NDArray[np.intp]
) -> Iterable[tuple[NDArray[np.int64], dict[str, Value]]]:
    points, part = shapely.get_coordinates(layer.shapes[rows], return_index=True)
    rings = np.split(np.round(tile.pixels(points, EXTENT)).astype(np.int64), np.flatnonzero(np.diff(part)) + 1)
    for row, ring in zip(rows.tolist(), rings, strict=True):
        yield ring[:-1], layer.facts(row)


def _cells(
    layer: SimilarityLayer, tile: MapTile, rows: NDArray[np.intp], style: Style
) -> Iterable[tuple[NDArray[np.int64], dict[str, Value]]]:
    values, numbers = cell_values(layer, tile, rows, style.aggregate)
    side = EXTENT * CELL // SIZE
    corners = np.array([(0, 0), (side, 0), (side, side), (0, side)])
    for row, column in zip(*np.nonzero(numbers), strict=True):
        at = np.array([[column * side, row * side]])
        yield corners + at, layer.cell_facts(float(values[row, column]), int(numbers[row, column]))


def _tile(name: str, features: Iterable[tuple[NDArray[np.int64], Mapping[str, Value]]]) -> bytes:
    keys: dict[str, int] = {}
    values: dict[Value, int] = {}
    body = [_field(15, 0, _varint(2)), _text(1, name)]
    for ring, facts in features:
        tags = [
            number
            for key, value in facts.items()
            for number in (keys.setdefault(key, len(keys)), values.setdefault(value, len(values)))
        ]
        made = _bytes(2, b"".join(map(_varint, tags))) + _field(3, 0, _varint(3)) + _bytes(4, _polygon(ring))
        body.append(_bytes(2, made))
    body += [_text(3, key) for key in keys]
    body += [_bytes(4, _value(value)) for value in values]
    return _bytes(3, b"".join([*body, _field(5, 0, _varint(EXTENT))]))


def _polygon(ring: NDArray[np.int64]) -> bytes:
    """The commands of one ring, clockwise on the screen, as the specification wants exterior rings."""
    points: list[list[int]] = ring.tolist()
    area = sum(x * below - right * y for (x, y), (right, below) in zip(points, [*points[1:], points[0]], strict=True))
    if area < 0:
        points.reverse()
    numbers, left, top = [], 0, 0
    for x, y in points:
        for step in (x - left, y - top):
            numbers.append(step << 1 if step >= 0 else (-step << 1) - 1)
        left, top = x, y
    commands = [9, *numbers[:2], ((len(points) - 1) << 3) | 2, *numbers[2:], 15]
    return b"".join(map(_varint, commands))


def _value(value: Value) -> bytes:
    if isinstance(value, str):
        return _text(1, value)
    if isinstance(value, float):
        return _field(3, 1, struct.pack("<d", value))
    return _field(5, 0, _varint(value))


def _text(number: int, text: str) -> bytes:
    return _bytes(number, text.encode())


def _bytes(number: int, data: bytes) -> bytes:
    return _field(number, 2, _varint(len(data)) + data)


def _field(number: int, kind: int, data: bytes) -> bytes:
    return _varint(number << 3 | kind) + data


def _varint(value: int) -> bytes:
    if value < 128:
        return _SMALL[value]
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)
