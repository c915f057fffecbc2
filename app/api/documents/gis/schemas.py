"""JSON Schemas of the items of a collection: `/schema` and `/queryables` (OGC API Features, parts 3 and 5)."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

from app.api.documents.base import Document
from app.services.catalogue.property_types import TIME, Types

DRAFT = "https://json-schema.org/draft/2020-12/schema"
MEDIA_TYPE = "application/schema+json"


class SchemaResponse(JSONResponse):
    """A JSON Schema."""

    media_type = MEDIA_TYPE


_TIME: Document = {"type": "string", "format": TIME}
BUILT_IN: dict[str, Document] = {
    "datetime": {"title": "Acquisition time", "x-ogc-role": "primary-instant", **_TIME},
    "labels": {"title": "Labels", "type": "array", "items": {"type": "string"}},
    "file_name": {"title": "File name", "type": "string"},
    "source": {"title": "Source file", "type": "string"},
    "window": {"title": "Window of the scene: column, row, width, height in pixels", "type": "string"},
    "gsd": {"title": "Ground sample distance in metres", "type": "number"},
    "indexed_at": {"title": "Time of indexing", **_TIME},
}
"""Properties that every tile has, in any collection; null where they are not known."""
_ID: Document = {"title": "Identifier", "type": "string", "format": "uuid", "x-ogc-role": "id"}
_GEOMETRY: Document = {"title": "Footprint", "format": "geometry-any", "x-ogc-role": "primary-geometry"}


def schema_document(url: str, title: str, types: Types) -> Document:
    """The schema of the properties of a collection's items, all of which can be queried. url: of the document itself."""
    own = {name: _schema(name, kind) for name, kind in types.items() if name not in BUILT_IN}
    return {
        "$schema": DRAFT,
        "$id": url,
        "type": "object",
        "title": title,
        "properties": {"id": _ID, "geometry": _GEOMETRY, **BUILT_IN, **own},
        "additionalProperties": True,
    }


def _schema(name: str, kind: str) -> dict[str, Any]:
    if kind == TIME:
        return {"title": name, **_TIME}
    return {"title": name} if kind == "mixed" else {"title": name, "type": kind}
