"""The payload of a point: its fields beside the vector, as JSON types, the same for every engine.

::

    record                      the tile without its labels, as JSON text (read back a quarter faster than nested JSON)
    labels                      separate, so that many tiles can be labelled at once; for filters and facets
    source, datetime            for filters and facets
    west, south, east, north    unwrapped bounds of the footprint, degrees (east may exceed 180)
    half_width, half_height     half the extent of the bounds, degrees
    center                      {lon, lat} of the bounds' centre, lon in [-180, 180)
    mark                        of a whole file, in one of its tiles; see `app.services.ingest.incoming.file_marks`
    feature, pair               base64 of float16 and uint8 values; read only on request (`VECTOR_FIELDS`)

A field without a value is null or absent.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from app.domain.places.geometry import Bounds, GeoJSON, footprint_bounds
from app.domain.temporal import format_instant, parse_instant
from app.domain.tiles import Embeddings, Grid, Tile, Window
from app.errors import Damaged, InvalidInput, Unavailable

Payload = dict[str, Any]

BOUNDS_FIELDS = ("west", "south", "east", "north")
LABELS_FIELD = "labels"
SOURCE_FIELD = "source"
MARK_FIELD = "mark"
RECORD_FIELDS = ["record", LABELS_FIELD, MARK_FIELD, *BOUNDS_FIELDS]
PAIR_FIELD = "pair"
VECTOR_FIELDS = ["feature", PAIR_FIELD]
EMBEDDING_FIELD = "embedding"
"""Not a field of the payload: where `Engine.retrieve` puts the vector of a point if this name is among the fields."""
KEYWORD_INDEXES = (LABELS_FIELD, SOURCE_FIELD)
FLOAT_INDEXES = (*BOUNDS_FIELDS, "half_width", "half_height")
DATETIME_INDEX = "datetime"
GEO_INDEX = "center"

# Qdrant Edge 0.9.0 finds no point at longitude +-180 in a geo box, so centres there move by a tenth of a metre.
_ANTIMERIDIAN_MARGIN = 1e-6

_FEATURE = np.dtype("<f2")
_PAIR = np.dtype("u1")


def to_payload(tile: Tile) -> Payload:
    """The payload without `feature` and `pair`."""
    payload: Payload = {
        "record": json.dumps(_record(tile), ensure_ascii=False, separators=(",", ":")),
        LABELS_FIELD: list(tile.labels),
        "source": tile.source,
        "datetime": None if tile.datetime is None else format_instant(tile.datetime),
        MARK_FIELD: tile.mark,
    }
    place = None if tile.geometry is None else footprint_bounds(tile.geometry)
    payload.update(dict.fromkeys((*FLOAT_INDEXES, GEO_INDEX)) if place is None else _place(place))
    return payload


def to_payloads(tiles: Sequence[Tile], vectors: Embeddings) -> list[Payload]:
    """Payloads with `feature` and `pair` where the embeddings have them."""
    payloads = [to_payload(tile) for tile in tiles]
    for key, rows, dtype in (("feature", vectors.feature, _FEATURE), (PAIR_FIELD, vectors.pair, _PAIR)):
        if rows is not None:
            for payload, row in zip(payloads, rows, strict=True):
                payload[key] = base64.b64encode(row.astype(dtype).tobytes()).decode("ascii")
    return payloads


def to_tile(point_id: str, payload: Payload) -> Tile:
    """The inverse of `to_payload`.

    Raises:
        Damaged: the record is missing or not valid.
    """
    try:
        return _parsed(point_id, payload)
    except (AttributeError, KeyError, TypeError, ValueError, InvalidInput):
        raise Damaged(
            f"vector store: the record of tile {point_id} is damaged; restore the index from a backup, or run"
            " `dyad doctor --repair`"
        ) from None


def _parsed(point_id: str, payload: Payload) -> Tile:
    record = from_json(payload["record"])
    window = record.get("window")
    taken = record.get("datetime")
    record["window"] = None if window is None else Window.parse(window)
    record["datetime"] = None if taken is None else parse_instant(taken)
    record["indexed_at"] = parse_instant(record["indexed_at"])
    record["labels"] = tuple(payload.get(LABELS_FIELD) or ())
    stretch = record.get("stretch")
    record["stretch"] = None if stretch is None else tuple((low, high) for low, high in stretch)
    record["grid"] = _grid(record.get("grid"))
    return Tile(id=point_id, mark=payload.get(MARK_FIELD), **record)


def bounds_of(payload: Payload) -> Bounds | None:
    """Unwrapped bounds of the footprint; None for a tile without a geometry."""
    if payload.get("west") is None:
        return None
    return Bounds(*(payload[key] for key in BOUNDS_FIELDS))


def footprint_of(payload: Payload) -> GeoJSON:
    """The footprint of a tile that has a geometry."""
    geometry: GeoJSON = json.loads(payload["record"])["geometry"]
    return geometry


def features_of(payloads: list[Payload]) -> NDArray[np.float16] | None:
    """(N, F) float16, or None unless every payload has a feature."""
    rows = _decode(payloads, "feature", _FEATURE)
    return None if rows is None else rows.astype(np.float16, copy=False)


def pairs_of(payloads: list[Payload]) -> NDArray[np.uint8] | None:
    """(N, P) uint8, or None unless every payload has candidate features (`pair`)."""
    return _decode(payloads, PAIR_FIELD, _PAIR)


def _decode(payloads: list[Payload], key: str, dtype: np.dtype[Any]) -> NDArray[Any] | None:
    texts = [payload.get(key) for payload in payloads]
    if not texts or any(text is None for text in texts):
        return None
    known: list[str] = [text for text in texts if text is not None]
    length, padding = len(known[0]), known[0].count("=")
    if any(len(text) != length for text in known):
        raise Unavailable(
            f"vector store: values of the field {key!r} in one index have different lengths; restore or rebuild the index"
        )
    # One call for all: with padding replaced by zero bits, texts of equal length join into whole groups of four characters.
    rows = np.frombuffer(base64.b64decode("".join(known).replace("=", "A")), np.uint8).reshape(len(known), -1)
    return np.ascontiguousarray(rows[:, : rows.shape[1] - padding]).view(dtype)


def _grid(stored: list[Any] | None) -> Grid | None:
    if stored is None:
        return None
    epsg, width, height, transform = stored
    return Grid(epsg, width, height, tuple(transform))


def _record(tile: Tile) -> Payload:
    return {
        "source": tile.source,
        "file_name": tile.file_name,
        "content_hash": tile.content_hash,
        "image": tile.image,
        "indexed_at": format_instant(tile.indexed_at),
        "preview": tile.preview,
        "window": None if tile.window is None else str(tile.window),
        "geometry": tile.geometry,
        "datetime": None if tile.datetime is None else format_instant(tile.datetime),
        "gsd": tile.gsd,
        "properties": tile.properties,
        "stretch": tile.stretch,
        "picture_hash": tile.picture_hash,
        "sent": tile.sent,
        "grid": None if tile.grid is None else astuple(tile.grid),
    }


def _place(bounds: Bounds) -> Payload:
    centre = (bounds.west + bounds.east) / 2
    lon = (centre + 180) % 360 - 180
    shift = max(_ANTIMERIDIAN_MARGIN - 180 - lon, 0.0)
    return {
        "west": bounds.west,
        "south": bounds.south,
        "east": bounds.east,
        "north": bounds.north,
        "half_width": (bounds.east - bounds.west) / 2 + shift,
        "half_height": (bounds.north - bounds.south) / 2,
        "center": {"lon": lon + shift, "lat": (bounds.south + bounds.north) / 2},
    }
