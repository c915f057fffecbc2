"""The tree of commands."""

from __future__ import annotations

from typing import Annotated

import typer

from app import __version__
from app.cli.commands import collections
from app.cli.commands.export import export
from app.cli.commands.index import index
from app.cli.commands.learning import models
from app.cli.commands.learning.classes import classes, suggest
from app.cli.commands.learning.evaluate import evaluate
from app.cli.commands.learning.label import label
from app.cli.commands.learning.reindex import reindex
from app.cli.commands.learning.train import train
from app.cli.commands.operation import cluster, jobs, keys
from app.cli.commands.operation.backup import backup, restore
from app.cli.commands.operation.doctor import doctor
from app.cli.commands.operation.serve import serve
from app.cli.commands.operation.worker import beat, worker
from app.cli.commands.search import search
from app.cli.output import say

HELP = """Find the satellite tiles that look like this one.

Without --url, a command opens the state folder (DYAD_HOME) itself, or uses the running service that has it open.

First steps:

    dyad index fields ~/scenes            index a folder of images or scenes

    dyad search fields ~/scenes/one.tif   find similar tiles

    dyad serve                            the web page and the HTTP API, on http://127.0.0.1:8000
"""


def build() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        help=HELP,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    app.command()(serve)
    app.command()(index)
    app.command()(search)
    app.command()(export)
    app.command()(label)
    app.command()(suggest)
    app.command()(classes)
    app.command()(train)
    app.command()(evaluate)
    app.command()(reindex)
    app.command()(worker)
    app.command()(beat)
    app.command()(backup)
    app.command()(restore)
    app.command()(doctor)
    app.add_typer(collections.build(), name="collections")
    app.add_typer(models.build(), name="models")
    app.add_typer(jobs.build(), name="jobs")
    app.add_typer(keys.build(), name="keys")
    app.add_typer(cluster.build(), name="cluster")
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"dyad {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Options of `dyad` itself. `version` is handled by its callback."""
