"""`dyad jobs`: list, show, cancel."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from app.cli import options
from app.cli.client.connect import open_client
from app.cli.options import Target
from app.cli.output import print_fields, print_json, print_table
from app.client.core import Document

Status = Literal["accepted", "running", "successful", "failed", "dismissed"]
JobId = Annotated[str, typer.Argument(metavar="ID", help="Identifier of the job.", show_default=False)]


def build() -> typer.Typer:
    """The group."""
    group = typer.Typer(help="Jobs: indexing and other work in the background.", no_args_is_help=True)
    group.command("list")(list_all)
    group.command()(show)
    group.command()(cancel)
    return group


def list_all(
    collection: Annotated[str | None, typer.Option(metavar="ID", help="Only jobs of this collection.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only jobs with this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of jobs.")] = 20,
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """List jobs, newest first.

    Example: dyad jobs list --status running
    """
    with open_client(Target(url, home)) as dyad:
        document = {"jobs": dyad.jobs(collection, [status] if status else (), limit)}
    if json:
        print_json(document)
        return
    rows = [
        (
            job["id"],
            job["processID"],
            job["collection"],
            job["status"],
            f"{job['progress']:.0f} %",
            job["created"],
            job["message"],
        )
        for job in document["jobs"]
    ]
    print_table(["id", "kind", "collection", "status", "done", "created", "message"], rows, right=["done"], whole=["id"])


def show(job: JobId, json: options.JsonFlag = False, home: options.Home = None, url: options.Url = None) -> None:
    """Show the status of one job.

    Example: dyad jobs show 6f1d8f0e-3f0b-5c0a-9a53-d1ad00000001
    """
    with open_client(Target(url, home)) as dyad:
        document = dyad.job(job)
    _print_job(document, json)


def cancel(job: JobId, json: options.JsonFlag = False, home: options.Home = None, url: options.Url = None) -> None:
    """Dismiss a job that has not ended. Tiles that it indexed stay.

    Example: dyad jobs cancel 6f1d8f0e-3f0b-5c0a-9a53-d1ad00000001
    """
    with open_client(Target(url, home)) as dyad:
        document = dyad.dismiss(job)
    _print_job(document, json)


def _print_job(document: Document, json: bool) -> None:
    if json:
        print_json(document)
        return
    shown = ("id", "collection", "status", "message", "created", "started", "finished", "attempts")
    counts = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in document["counts"].items())
    print_fields({"kind": document["processID"], **{name: document[name] for name in shown}, "counts": counts})
