"""The formats of exports, and the choice of one by name or media type."""

from __future__ import annotations

from dataclasses import dataclass

from app.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Format:
    """A format of an export. name: value of `f`. media_types: the first one is that of answers. suffix: of file names."""

    name: str
    media_types: tuple[str, ...]
    suffix: str


SEQUENCE = "application/geo+json-seq"
"""GeoJSON text sequences (RFC 8142): as newline-delimited GeoJSON, with a record separator before each feature."""
FORMATS = (
    Format("geojsonseq", ("application/x-ndjson", SEQUENCE), ".geojsonl"),
    Format("csv", ("text/csv",), ".csv"),
    Format("gpkg", ("application/geopackage+sqlite3", "application/x-sqlite3"), ".gpkg"),
    Format("fgb", ("application/flatgeobuf", "application/vnd.flatgeobuf"), ".fgb"),
    Format("parquet", ("application/vnd.apache.parquet", "application/x-parquet"), ".parquet"),
)
NAMES = tuple(each.name for each in FORMATS)
DOCUMENTS = ("json", "geojson", "html")
"""Values of `f` that are documents in pages, not files with everything."""


def chosen_format(name: str | None, accept: str) -> Format | None:
    """The format of an answer by `f`, or without it by the first media type in `Accept`; None for a page of GeoJSON.

    Raises:
        InvalidInput: `f` is not a format.
    """
    if name is not None:
        if name in DOCUMENTS:
            return None
        found = next((each for each in FORMATS if each.name == name), None)
        if found is None:
            raise InvalidInput(f"f={name[:100]!r} is not supported; accepted: {', '.join((*DOCUMENTS, *NAMES))}")
        return found
    first = accept.partition(",")[0].partition(";")[0].strip().lower()
    return next((each for each in FORMATS if first in each.media_types), None)
