"""`dyad label`: label many tiles from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli import options
from app.cli.client.connect import open_client
from app.cli.options import Target
from app.cli.output import notice, print_json, say
from app.client.core import Document, LabelMode

SHOWN = 20


def label(
    collection: options.CollectionId,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="CSV or GeoJSON.", show_default=False),
    ],
    mode: Annotated[LabelMode, typer.Option(help="Add to the existing labels of a tile, or replace them.")] = "add",
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """Label many tiles from a file: a CSV with id, file_name, source or lon and lat, or GeoJSON with id or geometry.

    Rows that cannot be applied are listed with their line; the others are applied.

    Examples:

        dyad label ucm labels.csv

        dyad label naip fields.geojson --mode replace
    """
    with open_client(Target(url, home)) as dyad:
        document = dyad.label_file(collection, file, mode)
    if json:
        print_json(document)
        return
    for what in ("rejected", "unmatched"):
        _list_notes(what, document)
    counts = [f"{document[name]} {name}" for name in ("updated", "unchanged")]
    counts += [f"{document[f'{name}_count']} {name}" for name in ("unmatched", "rejected")]
    say(f"{collection}: {', '.join(counts)}")


def _list_notes(what: str, document: Document) -> None:
    for note in document[what][:SHOWN]:
        target = f" ({note['target']})" if note["target"] else ""
        notice(f"line {note['line']}{target}: {note['reason']}")
    more = document[f"{what}_count"] - SHOWN
    if more > 0:
        notice(f"... and {more} more {what} (--json lists the first 1000)")
