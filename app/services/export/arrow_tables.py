"""Items as Arrow record batches, the common form of GeoPackage, FlatGeobuf and GeoParquet. Needs the extra `gis`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray
from shapely.geometry import shape

from app.domain.places.geometry import footprint_bounds
from app.domain.temporal import parse_instant
from app.errors import InvalidInput
from app.services.catalogue.property_types import TIME
from app.services.export.columns import LIST, Feature, as_text, joined

BATCH = 1000
_LONG = 1 << 63
Vectors = Callable[[list[str]], NDArray[np.float32]]
"""Reads the embeddings of items: (N, D) float32 of N ids."""
_BBOX = pa.struct([(name, pa.float64()) for name in ("xmin", "ymin", "xmax", "ymax")])
_LINKS = pa.list_(pa.struct([(name, pa.string()) for name in ("href", "rel", "type")]))
_ASSET = pa.struct([("href", pa.string()), ("type", pa.string()), ("roles", pa.list_(pa.string())), ("title", pa.string())])
_ASSETS = pa.struct([(name, _ASSET) for name in ("image", "thumbnail", "source")])
_TYPES = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    TIME: pa.timestamp("us", tz="UTC"),
}


def layer(features: Iterable[Feature], columns: Mapping[str, str]) -> pa.RecordBatchReader:
    """A flat table with the geometry as WKB, for vector formats."""
    fields = [("id", pa.string()), *((name, _TYPES.get(kind, pa.string())) for name, kind in columns.items())]
    schema = pa.schema([*fields, ("geometry", pa.binary())])

    def batch(found: list[Feature]) -> dict[str, Any]:
        return {"id": [each["id"] for each in found], **_properties(found, columns, nested=False), "geometry": _wkb(found)}

    return _reader(schema, features, batch)


def stac_table(features: Iterable[Feature], columns: Mapping[str, str], vectors: Vectors | None) -> pa.RecordBatchReader:
    """A table of STAC items in the layout of stac-geoparquet. vectors: also add the column `embedding`."""
    known = {LIST: pa.list_(pa.string()), **_TYPES}
    fields: list[tuple[str, pa.DataType]] = [
        ("type", pa.string()),
        ("stac_version", pa.string()),
        ("stac_extensions", pa.list_(pa.string())),
        ("id", pa.string()),
        ("collection", pa.string()),
        ("geometry", pa.binary()),
        ("bbox", _BBOX),
        ("links", _LINKS),
        ("assets", _ASSETS),
        *((name, known.get(kind, pa.string())) for name, kind in columns.items()),
        *([("embedding", pa.list_(pa.float32()))] if vectors is not None else []),
    ]

    def batch(found: list[Feature]) -> dict[str, Any]:
        made = {name: [each.get(name) for each in found] for name in ("type", "stac_version", "stac_extensions", "id")}
        made |= {name: [each.get(name) for each in found] for name in ("collection", "links", "assets")}
        made |= {"geometry": _wkb(found), "bbox": [_bbox(each) for each in found]}
        made |= _properties(found, columns, nested=True)
        if vectors is not None:
            made["embedding"] = list(vectors([each["id"] for each in found]))
        return made

    return _reader(pa.schema(fields), features, batch)


def _reader(
    schema: pa.Schema, features: Iterable[Feature], batch: Callable[[list[Feature]], dict[str, Any]]
) -> pa.RecordBatchReader:
    def batches() -> Iterator[pa.RecordBatch]:
        rest = iter(features)
        while found := list(islice(rest, BATCH)):
            made = batch(found)
            try:
                yield pa.RecordBatch.from_arrays([pa.array(made[field.name], field.type) for field in schema], schema=schema)
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                raise InvalidInput(f"the items were changed during the export ({error}); repeat it") from None

    return pa.RecordBatchReader.from_batches(schema, batches())


def _properties(found: list[Feature], columns: Mapping[str, str], *, nested: bool) -> dict[str, list[Any]]:
    return {name: [_value(each["properties"].get(name), kind, nested) for each in found] for name, kind in columns.items()}


def _value(value: Any, kind: str, nested: bool) -> Any:
    if kind == LIST:
        return list(value or ()) if nested else joined(value or [])
    if value is None:
        return None
    if kind == TIME:
        return parse_instant(value)
    if kind == "integer":
        return value if -_LONG <= value < _LONG else None
    if kind == "number":
        return float(value)
    return value if kind == "boolean" else as_text(value)


def _wkb(found: list[Feature]) -> list[bytes | None]:
    return [None if each["geometry"] is None else shapely.to_wkb(shape(each["geometry"])) for each in found]


def _bbox(feature: Feature) -> dict[str, float] | None:
    if feature["geometry"] is None:
        return None
    bounds = footprint_bounds(feature["geometry"])
    return {"xmin": bounds.west, "ymin": bounds.south, "xmax": bounds.east, "ymax": bounds.north}
