"""`dyad collections indexes` and `rollback`: the indexes that are kept, and the way back to one."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli import options
from app.cli.client.connect import open_client
from app.cli.options import Target
from app.cli.output import print_json, print_table, say


def indexes(
    collection: options.CollectionId, json: options.JsonFlag = False, home: options.Home = None, url: options.Url = None
) -> None:
    """List the indexes of a collection: the live one, and those that are kept to go back to.

    Example: dyad collections indexes naip
    """
    with open_client(Target(url, home)) as dyad:
        document = dyad.indexes(collection)
    if json:
        print_json(document)
        return
    rows = [
        (each["version"], each["model"], each["size"], each["built_at"], "live" if each["live"] else "")
        for each in document["indexes"]
    ]
    print_table(["version", "model", "tiles", "built", ""], rows, right=["tiles"], whole=["version"])


def rollback(
    collection: options.CollectionId,
    version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Index to go back to; the one built before the live one if not given.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Leave out new tiles whose images cannot be read.")] = False,
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """Make an older index the live one again; labels, deletions and new tiles since then are carried over.

    Example: dyad collections rollback naip
    """
    with open_client(Target(url, home)) as dyad:
        document = dyad.rollback(collection, options.given(version=version, force=force or None))
    if json:
        print_json(document)
    else:
        say(f"{collection} is answered by index {document['index']['version']}, {document['index']['size']} tiles")
