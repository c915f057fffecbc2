"""The tree of commands."""

from __future__ import annotations

from typing import Annotated

import typer

from app import __version__
from app.cli import cluster_group, collections_group, jobs_group, keys_group, models_group
from app.cli.backup_commands import backup, restore
from app.cli.evaluate_command import evaluate
from app.cli.index_command import index
from app.cli.label_command import label
from app.cli.output import say
from app.cli.reindex_command import reindex
from app.cli.search_command import search
from app.cli.serve_command import serve
from app.cli.train_command import train
from app.cli.worker_command import beat, worker

HELP = """Find the satellite tiles that look like this one.

Without --url a command opens the state folder (DYAD_HOME) itself; where a running service has it open, it asks that service.

First steps:

    dyad index fields ~/scenes            index a folder of images or scenes

    dyad search fields ~/scenes/one.tif   find what looks like it

    dyad serve                            the same with a web page, on http://127.0.0.1:8000
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
    app.command()(label)
    app.command()(train)
    app.command()(evaluate)
    app.command()(reindex)
    app.command()(worker)
    app.command()(beat)
    app.command()(backup)
    app.command()(restore)
    app.add_typer(collections_group.build(), name="collections")
    app.add_typer(models_group.build(), name="models")
    app.add_typer(jobs_group.build(), name="jobs")
    app.add_typer(keys_group.build(), name="keys")
    app.add_typer(cluster_group.build(), name="cluster")
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
    """Options of the command itself; `version` has done its work by now."""
