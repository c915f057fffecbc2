"""The columns of a table of items: names, types, and the value of a feature in each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from app.services.catalogue.property_types import TIME, Types

Feature = dict[str, Any]
LIST = "labels"
"""The type of the column of labels."""
RANKING = {"rank": "integer", "score": "number", "similarity": "number", "match_probability": "number"}
"""Columns of search results."""
_BUILT_IN = {
    "thumbnail": "string",
    "labels": LIST,
    "datetime": TIME,
    "start_datetime": TIME,
    "end_datetime": TIME,
    "file_name": "string",
    "source": "string",
    "window": "string",
    "gsd": "number",
    "indexed_at": TIME,
}
_RESERVED = ("id", "geometry", "collection", "embedding", "bbox", "links", "assets", "type", "stac_version", "stac_extensions")
_SEPARATOR = ";"


def columns_of(types: Types, *, is_search: bool) -> Mapping[str, str]:
    """The columns of the items of a collection. types: of their own properties."""
    own = {name: kind for name, kind in types.items() if name not in _RESERVED}
    return {**(RANKING if is_search else {}), **own, **_BUILT_IN}


def as_text(value: Any) -> str | None:
    """A value as a cell of a table: lists and objects are JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def joined(labels: list[str]) -> str:
    """Labels in one cell, as label files are read: separated by semicolons, or a JSON list if one contains a semicolon."""
    is_plain = not any(_SEPARATOR in label or label.startswith("[") for label in labels)
    return _SEPARATOR.join(labels) if is_plain else json.dumps(labels, ensure_ascii=False)
