"""`dyad export`: all items of a collection or a saved search as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli import options
from app.cli.client.connect import open_client
from app.cli.options import Target
from app.cli.output import print_json, say

FORMATS = {
    ".geojson": "geojson",
    ".json": "geojson",
    ".geojsonl": "geojsonseq",
    ".geojsons": "geojsonseq",
    ".ndjson": "geojsonseq",
    ".csv": "csv",
    ".gpkg": "gpkg",
    ".fgb": "fgb",
    ".parquet": "parquet",
    ".geoparquet": "parquet",
}
"""Formats by the suffix of the file."""


def export(
    collection: Annotated[
        str, typer.Argument(metavar="COLLECTION|SEARCH", help="Collection or saved search.", show_default=False)
    ],
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help=f"New file; its suffix is the format: {', '.join(FORMATS)}.", show_default=False),
    ],
    filter: options.Filter = None,
    bbox: options.Bbox = None,
    datetime: options.Datetime = None,
    labels: Annotated[str | None, typer.Option(metavar="L,L,...", help="Only items with any of these labels.")] = None,
    sortby: Annotated[str | None, typer.Option(metavar="NAME,-NAME", help="Order by properties, - for descending.")] = None,
    embeddings: Annotated[bool, typer.Option("--embeddings", help="Add the embeddings (.parquet only).")] = False,
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """Write all items of a collection, or all results of a saved search, to a file for a GIS or a notebook.

    Example: dyad export fields fields.gpkg --filter "labels = 'river'"
    """
    name = FORMATS.get(file.suffix.lower())
    if name is None:
        raise typer.BadParameter(f"{file.name!r} has no known suffix; use one of {', '.join(FORMATS)}", param_hint="FILE")
    query = options.given(
        filter=filter,
        **{"filter-lang": "cql2-json" if filter is not None and filter.lstrip().startswith("{") else None},
        bbox=bbox,
        datetime=datetime,
        labels=labels,
        sortby=sortby,
        embeddings="true" if embeddings else None,
    )
    with open_client(Target(url, home)) as dyad:
        dyad.export(collection, file, name, overwrite=False, **query)
    if json:
        print_json({"file": str(file), "format": name, "bytes": file.stat().st_size})
    else:
        say(f"{file}: {file.stat().st_size} bytes")
