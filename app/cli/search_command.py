"""`dyad search`: what looks like this image, or like this tile."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Annotated

import typer

from app.cli import options
from app.cli.backend import Document
from app.cli.options import Target
from app.cli.output import notice, print_json, print_table
from app.cli.reach import open_backend


def search(
    collection: options.CollectionId,
    example: Annotated[
        str, typer.Argument(metavar="IMAGE|ITEM_ID", help="An image file, or the id of an indexed tile.", show_default=False)
    ],
    positive: Annotated[
        list[str] | None, typer.Option(metavar="ITEM_ID", help="One more good example; may be repeated.")
    ] = None,
    negative: Annotated[list[str] | None, typer.Option(metavar="ITEM_ID", help="A bad example; may be repeated.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="How many results; 10 if not given, at most 1000.")] = None,
    bbox: Annotated[str | None, typer.Option(metavar="W,S,E,N", help="Only tiles that touch this box, in degrees.")] = None,
    datetime: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only tiles of this time or interval: 2020-01-01/2020-12-31, 2020-06-01/.."),
    ] = None,
    labels: Annotated[str | None, typer.Option(metavar="L,L,...", help="Only tiles with any of these labels.")] = None,
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """Find the tiles of a collection that look like an example, the most similar first.

    Examples:

        dyad search ucm harbor07.jpg --limit 5

        dyad search naip 5f3e0c52-6d0c-5c7e-b0a2-0a4c6e0e6d11 --bbox -120.5,36.0,-120.0,36.5 --json > similar.geojson
    """
    image = Path(example) if Path(example).is_file() else None
    if image is None and not _is_item_id(example):
        raise typer.BadParameter(f"{example!r} is neither a file nor the id of a tile", param_hint="IMAGE|ITEM_ID")
    query = options.given(
        limit=limit,
        bbox=options.parse_bbox(bbox),
        datetime=datetime,
        labels=options.parse_list(labels) or None,
        negatives=negative or None,
    )
    positives = [*([] if image else [example]), *(positive or [])]
    query["positives"] = positives
    with open_backend(Target(url, home)) as dyad:
        document = dyad.search(collection, query, image)
    if json:
        print_json(document)
    else:
        _print_hits(document, collection)


def _is_item_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _print_hits(document: Document, collection: str) -> None:
    if not document["features"]:
        notice(f"nothing found: no tile of {collection} qualifies")
        return
    rows = [
        (p["rank"], f"{p['score']:.4f}", p["source"], ", ".join(p["labels"]), feature["id"])
        for feature in document["features"]
        for p in (feature["properties"],)
    ]
    print_table(["rank", "score", "file", "labels", "id"], rows, right=["rank", "score"], whole=["rank", "score", "id"])
