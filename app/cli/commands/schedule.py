"""`dyad collections schedule`: synchronise a collection with its sources at given times."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli import options
from app.cli.client.connect import open_client
from app.cli.client.follow_job import follow_job
from app.cli.options import Target
from app.cli.output import is_all_rejected, list_notes, list_rejected, print_fields, print_json, say
from app.client.core import Document
from app.domain.naming.urls import is_url
from app.domain.scheduling.globs import has_magic
from app.errors import DyadError

if TYPE_CHECKING:
    from app.cli.client.client import Client


def schedule(
    collection: options.CollectionId,
    cron: Annotated[
        str | None, typer.Option(metavar="EXPRESSION", help="Minute hour day month weekday, e.g. '0 3 * * *', or @daily.")
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH|GLOB|URL",
            help="File, folder or quoted pattern on the machine of the service, or the URL of a file; repeatable.",
        ),
    ] = None,
    stac: Annotated[
        list[str] | None, typer.Option(metavar="PATH|URL", help="STAC catalogue or item collection; repeatable.")
    ] = None,
    collections: options.StacCollections = None,
    bbox: options.Bbox = None,
    datetime: options.Datetime = None,
    filter: options.Filter = None,
    on_vanished: Annotated[
        Literal["keep", "remove"] | None,
        typer.Option(help="Keep (marked as missing) or remove tiles whose file is missing. Default: keep."),
    ] = None,
    timezone: Annotated[str | None, typer.Option(metavar="ZONE", help="Time zone of the expression. Default: UTC.")] = None,
    labels_from_folders: Annotated[
        bool, typer.Option("--labels-from-folders", help="Label each file with the name of its folder.")
    ] = False,
    paused: Annotated[bool, typer.Option("--paused", help="Run the schedule only with --run.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Show the schedule (the default).")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the schedule; the tiles stay.")] = False,
    run: Annotated[bool, typer.Option("--run", help="Run it now and wait.")] = False,
    accept_vanished: Annotated[
        bool, typer.Option("--accept-vanished", help="With --run: accept any number of missing files.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="With --run: read unchanged files again, too.")] = False,
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """Synchronise a collection with its sources: set, show, run or delete its schedule. A running service runs schedules.

    Sources must be inside the folders and URLs of DYAD_READ_ROOTS. --collections, --bbox, --datetime and --filter choose items
    of --stac, a catalogue or the landing page of a STAC API.

    Examples:

        dyad collections schedule naip --cron "0 3 * * *" --source /data/naip --source "/data/new/**/*.tif"

        dyad collections schedule naip --cron @daily --stac https://data.example.com/naip/catalog.json

        dyad collections schedule s2 --cron @daily --stac https://stac.example.com/v1 --collections sentinel-2-l2a \
          --bbox 13.0,52.3,13.8,52.7 --filter "\"eo:cloud_cover\" < 10"

        dyad collections schedule naip --run
    """
    selection = options.stac_selection(collections, bbox, datetime, filter)
    if selection and not stac:
        raise typer.BadParameter("works only with --stac; pass both", param_hint=f"--{next(iter(selection))}")
    sources = _sources(source or [], stac or [], labels_from_folders, selection)
    given = options.given(cron=cron, on_vanished=on_vanished, timezone=timezone, paused=paused or None)
    sets = bool(given or sources or labels_from_folders)
    _check(sets, show=show, delete=delete, run=run, accept_vanished=accept_vanished, force=force)
    settings = _settings(given, sources) if sets else None
    with open_client(Target(url, home)) as dyad:
        if delete:
            dyad.delete_schedule(collection)
            document: Document = {"deleted": collection}
        elif run:
            document = _run(dyad, collection, accept_vanished, force)
        elif settings is not None:
            document = dyad.set_schedule(collection, **settings)
        else:
            document = dyad.schedule(collection)
    if json:
        print_json(document)
    elif delete:
        say(f"deleted the schedule of {collection}")
    elif run:
        _print_result(collection, document)
    else:
        _print_schedule(document)
    if run and is_all_rejected(document):
        raise DyadError("nothing was indexed: every file was rejected")


def _check(sets: bool, *, show: bool, delete: bool, run: bool, accept_vanished: bool, force: bool) -> None:
    if show + delete + run + sets > 1:
        raise typer.BadParameter("--show, --delete, --run and the settings of a schedule cannot be combined; pass one of them")
    for wish, name in ((accept_vanished, "--accept-vanished"), (force, "--force")):
        if wish and not run:
            raise typer.BadParameter("works only with --run; pass both", param_hint=name)


def _sources(paths: list[str], catalogues: list[str], labels_from_folders: bool, selection: Document) -> list[str | Document]:
    """Sources in the form of the API. Relative paths start in the current folder. selection: of the items of catalogues."""
    whole = [_absolute(path) for path in paths]
    sources: list[str | Document] = list(whole)
    if labels_from_folders:
        kinds = [("glob" if has_magic(path) and not is_url(path) else "path", path) for path in whole]
        sources = [{kind: path, "labels_from_folders": True} for kind, path in kinds]
    return [*sources, *({"stac": _absolute(path), **selection} for path in catalogues)]


def _absolute(where: str) -> str:
    return where if is_url(where) else str(Path.cwd() / where)


def _settings(given: Document, sources: list[str | Document]) -> Document:
    if "cron" not in given or not sources:
        raise typer.BadParameter(
            "a schedule needs --cron and at least one --source or --stac; it replaces the current schedule"
        )
    return {**given, "sources": sources}


def _run(dyad: Client, collection: str, accept_vanished: bool, force: bool) -> Document:
    job = dyad.run_schedule(collection, accept_vanished=accept_vanished, force=force)
    return follow_job(dyad, job["id"], collection, "stopped: tiles that were indexed stay, and the next run continues")


def _print_result(collection: str, result: Document) -> None:
    list_rejected(result)
    list_notes(result)
    names = ("indexed", "changed", "unchanged", "vanished", "returned", "removed")
    counts = ", ".join(f"{result[name]} {name}" for name in names if result.get(name) or name in ("indexed", "unchanged"))
    say(f"{collection}: {counts}, {result['rejected_count']} rejected")


def _print_schedule(document: Document) -> None:
    sources = [
        each if isinstance(each, str) else ", ".join(f"{k}: {v}" for k, v in each.items()) for each in document["sources"]
    ]
    skipped = document["skipped"]
    result = document["last_result"] or {}
    print_fields(
        {
            "collection": document["collection"],
            "cron": f"{document['cron']} ({document['timezone']})",
            **{f"source {number}": text for number, text in enumerate(sources, 1)},
            "on vanished": document["on_vanished"],
            "next run": "paused" if document["paused"] else document["next_run"],
            "last run": document["last_run"],
            "last job": document["last_job"],
            "status": document["last_status"],
            "message": document["last_message"],
            "result": ", ".join(f"{value} {name}" for name, value in result.items() if isinstance(value, int) and value),
            "skipped": skipped and f"{skipped['due']}, while job {skipped['job']} was active",
        }
    )
