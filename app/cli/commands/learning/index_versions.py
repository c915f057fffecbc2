"""`dyad collections indexes` and `rollback`: the index versions of a collection."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli import options
from app.cli.client.connect import open_client
from app.cli.options import Target
from app.cli.output import print_json, print_table, say
from app.client.core import Document


def indexes(
    collection: options.CollectionId, json: options.JsonFlag = False, home: options.Home = None, url: options.Url = None
) -> None:
    """List the index versions of a collection: the current one, the previous ones, and a candidate that was not switched to.

    Example: dyad collections indexes naip
    """
    with open_client(Target(url, home)) as dyad:
        document = {"indexes": dyad.indexes(collection)}
    if json:
        print_json(document)
        return
    rows = [(each["version"], each["model"], each["size"], each["built_at"], _state(each)) for each in document["indexes"]]
    print_table(["version", "model", "tiles", "built", ""], rows, right=["tiles"], whole=["version"])


def rollback(
    collection: options.CollectionId,
    version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Index version to use. Default: the one built before the current one.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Omit new tiles whose images cannot be read.")] = False,
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """Use a previous index version again, or a candidate. Later labels, deletions and new tiles are applied to it.

    Examples:

        dyad collections rollback naip

        dyad collections rollback naip --version naip-head-1.1
    """
    with open_client(Target(url, home)) as dyad:
        document = dyad.rollback(collection, version, force=force)
    if json:
        print_json(document)
    else:
        say(f"{collection} uses index {document['index']['version']}, {document['index']['size']} tiles")


def _state(index: Document) -> str:
    return "live" if index["live"] else "candidate" if index.get("candidate") else ""
