"""Exports as text, written while the items are read: newline-delimited GeoJSON, and CSV with the geometry as WKT."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping

import shapely
from shapely.geometry import shape

from app.services.export.columns import LIST, Feature, as_text, joined

PIECE = 64 << 10
"""Bytes that are sent at once."""


def geojson_lines(features: Iterable[Feature], *, with_separators: bool) -> Iterator[bytes]:
    """A feature per line; with_separators: as RFC 8142 wants it, after a record separator."""
    start = b"\x1e" if with_separators else b""
    return _gathered(
        start + json.dumps(feature, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for feature in features
    )


def csv_rows(features: Iterable[Feature], columns: Mapping[str, str]) -> Iterator[bytes]:
    """CSV with a header: the identifier, the columns, and the footprint as WKT in degrees (`geometry`)."""
    return _gathered(_csv_rows(features, columns))


def _csv_rows(features: Iterable[Feature], columns: Mapping[str, str]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(("id", *columns, "geometry"))
    for feature in features:
        properties, geometry = feature["properties"], feature["geometry"]
        cells = [
            joined(properties.get(name) or []) if kind == LIST else as_text(properties.get(name))
            for name, kind in columns.items()
        ]
        writer.writerow(
            (feature["id"], *cells, "" if geometry is None else shapely.to_wkt(shape(geometry), rounding_precision=7))
        )
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


def _gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Small pieces joined to larger ones."""
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        if len(buffer) >= PIECE:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer)
