"""`dyad search`: find tiles similar to an image or a tile."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli import options
from app.cli.client.connect import open_client
from app.cli.options import Target
from app.cli.output import notice, print_json, print_table
from app.client.core import Document
from app.domain.naming.ids import is_item_id
from models.bundle.card import MAX_DEPTH


def search(
    collection: options.CollectionId,
    example: Annotated[
        str | None,
        typer.Argument(
            metavar="[IMAGE|ITEM_ID]",
            help="An image file, or the identifier of an indexed tile; not needed with --point.",
            show_default=False,
        ),
    ] = None,
    point: Annotated[
        str | None, typer.Option(metavar="LON,LAT", help="What is at this place (WGS 84) is an example, too.")
    ] = None,
    positive: Annotated[list[str] | None, typer.Option(metavar="ITEM_ID", help="Another positive example; repeatable.")] = None,
    negative: Annotated[list[str] | None, typer.Option(metavar="ITEM_ID", help="A negative example; repeatable.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Number of results. Default: 10.")] = None,
    bbox: options.Bbox = None,
    datetime: options.Datetime = None,
    filter: options.Filter = None,
    labels: Annotated[str | None, typer.Option(metavar="L,L,...", help="Only tiles with any of these labels.")] = None,
    rerank: Annotated[
        bool | None,
        typer.Option("--rerank/--no-rerank", help="Re-rank (pairwise model) or not. Default: of the model."),
    ] = None,
    depth: Annotated[
        int | None, typer.Option(min=1, max=MAX_DEPTH, help="Number of candidates to re-rank. Default: of the model.")
    ] = None,
    min_probability: Annotated[
        float | None, typer.Option(min=0, max=1, metavar="P", help="Only tiles with at least this match probability.")
    ] = None,
    diversify: Annotated[bool, typer.Option("--diversify", help="One result per place.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="With --json: add the places where each result matches the example.")
    ] = False,
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """Find the tiles of a collection that are most similar to an example, or to a place.

    --positive and --negative refine the query with more examples.

    Examples:

        dyad search ucm harbor07.jpg --limit 5

        dyad search ucm harbor07.jpg --min-probability 0.8 --diversify

        dyad search naip 5f3e0c52-6d0c-5c7e-b0a2-0a4c6e0e6d11 --bbox -120.5,36.0,-120.0,36.5 --json > similar.geojson

        dyad search naip --point -120.3,36.2 --filter "gsd < 2 AND platform = 'naip'"
    """
    if rerank is False and depth is not None:
        raise typer.BadParameter("--no-rerank and --depth cannot be combined; pass one of them")
    image = Path(example) if example is not None and Path(example).is_file() else None
    if example is None and point is None:
        raise typer.BadParameter("pass an image, a tile identifier, or --point", param_hint="IMAGE|ITEM_ID")
    if example is not None and image is None and not is_item_id(example):
        raise typer.BadParameter(f"{example!r} is neither a file nor a tile identifier (UUID)", param_hint="IMAGE|ITEM_ID")
    query = options.given(
        limit=limit,
        bbox=options.parse_bbox(bbox),
        datetime=datetime,
        filter=options.parse_filter(filter),
        point=options.parse_point(point),
        labels=options.parse_list(labels) or None,
        negatives=negative or None,
        rerank=rerank if depth is None else {"depth": depth},
        min_probability=min_probability,
        diversify=diversify or None,
        explain=explain or None,
    )
    positives = [*([] if image or example is None else [example]), *(positive or [])]
    query["positives"] = positives
    with open_client(Target(url, home)) as dyad:
        document = dyad.search(collection, image, **query).document
    for warning in document.get("warnings", ()) if explain else ():
        notice(warning)
    if json:
        print_json(document)
    else:
        _print_hits(document, collection)


def _print_hits(document: Document, collection: str) -> None:
    if not document["features"]:
        notice(f"no results: no tile of {collection} matches the filters")
        return
    rows, end = [], document.get("matches_end_at")
    has_copies = any("near_copies" in feature for feature in document["features"])
    for feature in document["features"]:
        found = feature["properties"]
        chance = found.get("match_probability")
        numbers = [found["rank"], f"{found['score']:.4f}", "" if chance is None else f"{chance:.0%}"]
        copies = [len(feature.get("near_copies", ())) or ""] if has_copies else []
        rows.append([*numbers, found["source"], ", ".join(found["labels"]), *copies, feature["id"]])
    names = ["rank", "score", "match", "file", "labels", *(["copies"] if has_copies else []), "id"]
    if all("match_probability" not in feature["properties"] for feature in document["features"]):
        names.remove("match")
        rows = [[*row[:2], *row[3:]] for row in rows]
    numeric = [name for name in names if name in ("rank", "score", "match", "copies")]
    print_table(names, rows, right=numeric, whole=[*numeric, "id"])
    if end is not None and end < document["features"][-1]["properties"]["rank"]:
        notice(f"likely matches end at rank {end}" if end else "no likely matches; these are the most similar tiles")
