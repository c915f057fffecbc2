"""`dyad classes` and `dyad suggest`: which labels a tile is likely to have, and which tiles to label next."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli import options
from app.cli.client.connect import open_client
from app.cli.options import Target
from app.cli.output import notice, print_json, print_table

NONE = "none of these"


def classes(
    collection: options.CollectionId,
    item: Annotated[str, typer.Argument(metavar="ITEM_ID", help="Identifier of the tile.", show_default=False)],
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """Show how likely a tile has each label of its collection, or none of them. Needs labels, but no training.

    Examples:

        dyad classes naip 5f3e0c52-6d0c-5c7e-b0a2-0a4c6e0e6d11
    """
    with open_client(Target(url, home)) as dyad:
        document = dyad.classes(collection, item)
    if json:
        print_json(document)
        return
    for note in document["notes"]:
        notice(note)
    rows = [(each["label"], each["probability"], each["examples"]) for each in document["classes"]]
    rows = sorted([*rows, (NONE, document["none_of_these"], "")], key=lambda row: -row[1])
    print_table(
        ["label", "probability", "examples"], [[a, f"{b:.0%}", c] for a, b, c in rows], right=["probability", "examples"]
    )


def suggest(
    collection: options.CollectionId,
    limit: Annotated[int | None, typer.Option(min=1, help="Number of tiles, at most 100. Default: 10.")] = None,
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """List the unlabelled tiles whose labels would teach most, the most useful first.

    Examples:

        dyad suggest naip --limit 20

        dyad suggest naip --json > to-label.geojson
    """
    with open_client(Target(url, home)) as dyad:
        document = dyad.suggestions(collection, limit).document
    if json:
        print_json(document)
        return
    if not document["features"]:
        notice(f"no suggestions: every tile of {collection} has a label")
        return
    rows = []
    for feature in document["features"]:
        found = feature["properties"]
        label = found.get("likely_label")
        guess = "" if label is None else f"{label} ({found['likely_label_probability']:.0%})"
        rows.append([found["rank"], found["source"], guess, feature["id"]])
    print_table(["rank", "file", "likely label", "id"], rows, right=["rank"], whole=["rank", "id"])
