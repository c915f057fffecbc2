"""`dyad index`: index images and scenes into a collection."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import options
from app.cli.client.connect import open_client
from app.cli.client.stopped import Stopped
from app.cli.options import Target
from app.cli.output import is_all_rejected, list_notes, list_rejected, notice, print_json, progress_bar, say
from app.client.core import Document, Progress
from app.domain.external_vectors import vectors_model
from app.errors import Conflict, DyadError, NotFound
from app.imagery.sources.file_kinds import FileKind, sniff

if TYPE_CHECKING:
    from app.cli.client.client import Client


def index(
    collection: options.CollectionId,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH",
            exists=True,
            help="Images, folders, zips, GeoTIFFs, STAC items, GeoParquet with embeddings.",
            show_default=False,
        ),
    ] = None,
    href: Annotated[
        str | None,
        typer.Option(
            "--href",
            "--stac",
            metavar="URL|PATH",
            help="Instead of PATH: what the service reads itself: a STAC API, a STAC catalogue, a scene.",
        ),
    ] = None,
    collections: options.StacCollections = None,
    bbox: options.Bbox = None,
    datetime: options.Datetime = None,
    filter: options.Filter = None,
    labels_from_folders: Annotated[
        bool, typer.Option("--labels-from-folders", help="Label each file with the name of its folder, also in zips.")
    ] = False,
    tile_size: options.TileSize = None,
    stride: options.Stride = None,
    bands: options.Bands = None,
    scaling: options.ScalingText = None,
    model: options.Model = None,
    json: options.JsonFlag = False,
    home: options.Home = None,
    url: options.Url = None,
) -> None:
    """Index images and scenes. A missing collection is created. Repeating the command indexes only what changed.

    The source name of a file in a folder is FOLDER/its/path, so the same folder gives the same tiles again.

    Examples:

        dyad index ucm UCMerced/Images --labels-from-folders

        dyad index s2 T33UVP_20200831.tif --bands 4,3,2 --scaling reflectance --tile-size 128

        dyad index fields-of-others embeddings.parquet

        dyad index s2 --stac https://stac.example.com/v1 --collections sentinel-2-l2a --bbox 13.3,52.4,13.5,52.6
    """
    settings = options.given(
        tile_size=tile_size,
        stride=stride,
        bands=options.parse_bands(bands),
        scaling=options.parse_scaling(scaling),
        model=model,
    )
    selection = options.stac_selection(collections, bbox, datetime, filter)
    _check_sources(paths or [], href, selection)
    target = Target(url, home)
    started = time.monotonic()
    with open_client(target) as dyad:
        _ensure_collection(dyad, collection, settings, paths or [])
        try:
            with progress_bar(collection) as report:
                if href is not None:
                    job = dyad.index_href(collection, href, labels_from_folders=labels_from_folders, **selection)
                    result = dyad.follow(job["id"], report)
                else:
                    result = _index(dyad, collection, paths or [], labels_from_folders, report)
        except Stopped as stop:
            notice(f"stopped after {stop.kept} tiles, which are kept; run the same command again to continue")
            raise typer.Exit(130) from None
    if json:
        print_json(result)
    list_rejected(result)
    list_notes(result)
    if not json:
        _summarise(collection, result, time.monotonic() - started, target)
    if is_all_rejected(result):
        raise DyadError("nothing was indexed: every file was rejected")
    if result["rejected"]:
        notice(f"{result['rejected_count']} of {result['rejected_count'] + result.get('files', 0)} files were rejected")


def _check_sources(paths: list[Path], href: str | None, selection: dict[str, Any]) -> None:
    if bool(paths) == (href is not None):
        raise typer.BadParameter("pass PATH or --stac, and not both", param_hint="PATH")
    if selection and href is None:
        raise typer.BadParameter("works only with --stac; pass both", param_hint=f"--{next(iter(selection))}")
    names = [path.resolve().name for path in paths]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise typer.BadParameter(
            f"two paths have the name {twice!r}: their tiles would replace each other; index them into different collections"
        )


def _ensure_collection(dyad: Client, collection: str, settings: dict[str, Any], paths: list[Path]) -> None:
    """Create the collection, or check that the existing one has these settings. paths: one for embeddings gets their model.

    Raises:
        Conflict: it has different settings.
    """
    try:
        existing = dyad.collection(collection)
    except NotFound:
        model = {} if "model" in settings else _model_of(paths)
        dyad.create_collection(collection, **settings, **model)
        return
    for name, value in settings.items():
        present: Any = existing[name]
        if isinstance(value, dict):
            present = {key: present.get(key) for key in value}
        if present != value:
            option = "--" + name.replace("_", "-")
            raise Conflict(f"collection {collection!r} has {name} {present}; omit {option}, or index into a new collection")


def _model_of(paths: list[Path]) -> dict[str, str]:
    """The model of a new collection for files of embeddings; empty for other files."""
    if not paths or any(not path.is_file() or sniff(path) is not FileKind.PARQUET for path in paths):
        return {}
    if find_spec("pyarrow") is None:
        raise DyadError("Parquet files need the extra `gis`: pip install 'dyad[gis]'")
    from app.services.ingest.embeddings.embedding_tables import open_table  # only with the extra

    with open_table(paths[0]) as table:
        return {"model": vectors_model(table.dimension)}


def _index(dyad: Client, collection: str, paths: list[Path], labels_from_folders: bool, report: Progress) -> Document:
    """Index paths and wait: `{"indexed", "unchanged", "rejected": [...], "notes": [...], "item_ids": [...]}`.

    The application in this process reads the paths itself, as one job; a service receives the files in batches.

    Raises:
        Stopped: after Ctrl-C; the jobs are dismissed.
    """
    if dyad.is_local:
        return dyad.index_local(collection, paths, labels_from_folders, report)
    from app.cli.client.upload import Upload  # imports the reading of images, which `--help` does not need

    return Upload(dyad, collection, labels_from_folders, report).run(paths)


def _summarise(collection: str, result: Document, seconds: float, target: Target) -> None:
    counts = f"{result['indexed']} indexed, {result['unchanged']} unchanged, {result['rejected_count']} rejected"
    skipped = f", {result['skipped_nodata']} skipped (mostly nodata)" if result.get("skipped_nodata") else ""
    say(f"{collection}: {counts}{skipped} ({seconds:.1f} s)")
    if result["item_ids"]:
        say(f"try: {_command()} search {collection} {result['item_ids'][0]}{target.as_options()}")


def _command() -> str:
    """The name of this command, for a shell."""
    return "dyad" if shutil.which("dyad") or not sys.argv[0].endswith("/dyad") else shlex.quote(sys.argv[0])
