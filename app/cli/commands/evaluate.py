"""`dyad evaluate`: how good a model is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli import options
from app.cli.run_program import as_arguments, check_installed, find_bundle, run_module

PROGRAM = "models.runs.evaluate"


def evaluate(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="Id of a model, or its folder.", show_default=False)],
    data: Annotated[str, typer.Option(metavar="[NAME=]FOLDER", help="Folder whose sub-folders are the classes.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where report.json and report.html go.")],
    protocol: Annotated[
        str, typer.Option(metavar="NAME", help="A-80 to A-30 (residual-dyad), B-20 to B-5 (HR-S2DML), or unseen.")
    ] = "A-80",
    classes: Annotated[str | None, typer.Option(metavar="CLASS,...", help="Only these.")] = None,
    without_classes: Annotated[str | None, typer.Option(metavar="CLASS,...", help="All but these.")] = None,
    bands: Annotated[
        str | None, typer.Option(metavar="B,...", help="Numbers of the bands, from 1 on, in order; all if not given.")
    ] = None,
    depth: Annotated[
        int | None, typer.Option(metavar="N", help="Places that the matcher re-ranks; the model's if not given.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the split; that of the training if not given.")] = None,
    no_map: Annotated[bool, typer.Option("--no-map", help="Leave out the t-SNE map, which takes a while.")] = False,
    threads: Annotated[int | None, typer.Option(metavar="N", help="Of the processor; all if not given.")] = None,
    cache: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Of decoded images; the user's cache if not given.")
    ] = None,
    progress: Annotated[str | None, typer.Option(metavar="bars|json", help="Bars on stderr, or JSON lines on stdout.")] = None,
    home: options.Home = None,
) -> None:
    """Measure a model on labelled images and write a report.

    Images that it was trained on are told by its card.

    Examples:

        dyad evaluate ucm --data UCMerced/Images --out report

        dyad evaluate ucm --data AID --protocol unseen --out report-aid
    """
    check_installed("sklearn", "scipy", "matplotlib")
    arguments = as_arguments(
        {
            "--data": data,
            "--protocol": protocol,
            "--out": out,
            "--classes": classes,
            "--without-classes": without_classes,
            "--bands": bands,
            "--depth": depth,
            "--seed": seed,
            "--no-map": no_map,
            "--threads": threads,
            "--cache": cache,
            "--progress": progress,
        }
    )
    from app.settings import load_settings

    folder = find_bundle(bundle, load_settings(home=home).home)
    status = run_module(PROGRAM, [*arguments, "--", str(folder)])
    if status:
        raise typer.Exit(status)
