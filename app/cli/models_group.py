"""`dyad models`: list, show."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli import options
from app.cli.options import Target
from app.cli.output import print_fields, print_json, print_table
from app.cli.reach import open_backend


def build() -> typer.Typer:
    """The group."""
    group = typer.Typer(help="Models: what turns a tile into a vector.", no_args_is_help=True)
    group.command("list")(list_all)
    group.command()(show)
    return group


def list_all(json: options.JsonFlag = False, home: options.Home = None, url: options.Url = None) -> None:
    """List all models; the first is what a new collection gets.

    Example: dyad models list
    """
    with open_backend(Target(url, home)) as dyad:
        document = dyad.models()
    if json:
        print_json(document)
        return
    rows = [(m["id"], m["version"], m["kind"], m["dimension"], ",".join(m["bands"]), m["title"]) for m in document["models"]]
    print_table(["id", "version", "kind", "dimension", "bands", "title"], rows, right=["dimension"], whole=["id"])


def show(
    model: Annotated[str, typer.Argument(metavar="ID", help="Id of the model.", show_default=False)],
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """Show the card of one model: what it expects, what it makes, where it comes from.

    Example: dyad models show hog
    """
    with open_backend(Target(url, home)) as dyad:
        document = dyad.model(model)
    if json:
        print_json(document)
        return
    shown = ("id", "version", "title", "description", "kind", "input_size", "dimension", "licence", "training_data")
    print_fields({**{name.replace("_", " "): document[name] for name in shown}, "bands": ", ".join(document["bands"])})
