"""`dyad collections`: list, show, create, delete, indexes, rollback, schedule, labels, train, evaluate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli import options
from app.cli.client.connect import open_client
from app.cli.commands.learning.index_versions import indexes, rollback
from app.cli.commands.learning.model_terms import find_model, licence_of, reindex_hint
from app.cli.commands.learning.processes import evaluate, train
from app.cli.commands.schedule import schedule
from app.cli.options import Target
from app.cli.output import notice, print_fields, print_json, print_table, say
from app.client.core import Document


def build() -> typer.Typer:
    """The group."""
    group = typer.Typer(help="Collections: archives of tiles that share a size, bands and a model.", no_args_is_help=True)
    group.command("list")(list_all)
    group.command()(show)
    group.command()(create)
    group.command()(delete)
    group.command()(indexes)
    group.command()(rollback)
    group.command()(schedule)
    group.command()(labels)
    group.command()(train)
    group.command()(evaluate)
    return group


def list_all(json: options.JsonFlag = False, home: options.Home = None, url: options.Url = None) -> None:
    """List all collections.

    Example: dyad collections list
    """
    with open_client(Target(url, home)) as dyad:
        document = {"collections": dyad.collections()}
    if json:
        print_json(document)
        return
    rows = [(c["id"], c["item_count"], c["model"], c["tile_size"], c["title"]) for c in document["collections"]]
    print_table(["id", "tiles", "model", "tile size", "title"], rows, right=["tiles", "tile size"], whole=["id"])


def show(
    collection: options.CollectionId, json: options.JsonFlag = False, home: options.Home = None, url: options.Url = None
) -> None:
    """Show one collection: settings, number of tiles, bounding box and time range.

    Example: dyad collections show naip
    """
    target = Target(url, home)
    with open_client(target) as dyad:
        document = dyad.collection(collection)
        model = None if json else find_model(dyad, document["index"]["model"])
    if json:
        print_json(document)
        return
    _print_collection(document, model)
    if model is not None and (hint := reindex_hint(collection, model, target)):
        notice(hint)


def create(
    collection: options.CollectionId,
    title: Annotated[str | None, typer.Option(help="Title, one line.")] = None,
    description: Annotated[str | None, typer.Option(help="Description, a paragraph.")] = None,
    keywords: Annotated[str | None, typer.Option(metavar="K,K,...", help="Keywords, separated by commas.")] = None,
    tile_size: options.TileSize = None,
    stride: options.Stride = None,
    bands: options.Bands = None,
    scaling: options.ScalingText = None,
    model: options.Model = None,
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """Create an empty collection.

    Example: dyad collections create s2 --tile-size 128 --bands 4,3,2 --scaling reflectance
    """
    settings = options.given(
        title=title,
        description=description,
        keywords=options.parse_list(keywords) or None,
        tile_size=tile_size,
        stride=stride,
        bands=options.parse_bands(bands),
        scaling=options.parse_scaling(scaling),
        model=model,
    )
    with open_client(Target(url, home)) as dyad:
        document = dyad.create_collection(collection, **settings)
        used = None if json else find_model(dyad, document["index"]["model"])
    if json:
        print_json(document)
    else:
        _print_collection(document, used)


def delete(
    collection: options.CollectionId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """Delete a collection with its tiles, images and jobs. This cannot be undone.

    Example: dyad collections delete naip --yes
    """
    if not yes and not sys.stdin.isatty():
        raise typer.BadParameter("not an interactive terminal: pass --yes", param_hint="--yes")
    with open_client(Target(url, home)) as dyad:
        count = dyad.collection(collection)["item_count"]
        if not yes:
            typer.confirm(f"Delete {collection} with its {count} tiles?", abort=True, err=True)
        dyad.delete_collection(collection)
    if json:
        print_json({"deleted": collection, "item_count": count})
    else:
        say(f"deleted {collection} with its {count} tiles")


def labels(
    collection: options.CollectionId,
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="New file. Default: COLLECTION-labels.csv.")] = None,
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """Write the labels of all tiles to a CSV file. `dyad label` reads this file.

    Example: dyad collections labels naip naip.csv
    """
    target = file or Path(f"{collection}-labels.csv")
    with open_client(Target(url, home)) as dyad:
        dyad.export_labels(collection, target, overwrite=False)
    if json:
        print_json({"collection": collection, "file": str(target)})
    else:
        say(f"wrote the labels of {collection} to {target}")


def _print_collection(document: Document, model: Document | None) -> None:
    extent = document["extent"]
    print_fields(
        {
            "id": document["id"],
            "title": document["title"],
            "description": document["description"],
            "tiles": document["item_count"],
            "model": f"{document['model']} (index {document['index']['version']})",
            "model licence": licence_of(model) if model else None,
            "tile size": f"{document['tile_size']}, stride {document['stride']}",
            "bands": ", ".join(map(str, document.get("bands") or ())),
            "scaling": document["scaling"]["method"],
            "keywords": ", ".join(document["keywords"]),
            "bounding box": ", ".join(f"{number:g}" for number in extent["spatial"]["bbox"][0]) if document["placed"] else None,
            "time": " to ".join(filter(None, extent["temporal"]["interval"][0])) or None,
            "created": document["created"],
        }
    )
