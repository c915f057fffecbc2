"""`dyad evaluate`: measure a model on labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli import options
from app.cli.run_program import as_arguments, check_installed, find_bundle, run_module

PROGRAM = "models.runs.evaluate"


def evaluate(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="Identifier of a model, or its folder.", show_default=False)],
    data: Annotated[str, typer.Option(metavar="[NAME=]FOLDER", help="Folder with one sub-folder per class.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Output folder for report.json and report.html.")],
    protocol: Annotated[
        str, typer.Option(metavar="NAME", help="A-80 to A-30 (residual-dyad), B-20 to B-5 (HR-S2DML), or unseen.")
    ] = "A-80",
    classes: Annotated[str | None, typer.Option(metavar="CLASS,...", help="Use only these classes.")] = None,
    without_classes: Annotated[str | None, typer.Option(metavar="CLASS,...", help="Exclude these classes.")] = None,
    bands: Annotated[
        str | None, typer.Option(metavar="B,...", help="Band numbers (the first is 1), in order. Default: all.")
    ] = None,
    depth: Annotated[
        int | None, typer.Option(metavar="N", help="Number of candidates to re-rank. Default: of the model.")
    ] = None,
    rank_by: Annotated[
        str | None,
        typer.Option(metavar="embedding|matcher", help="matcher: also rank all images by the pairwise model alone (slow)."),
    ] = None,
    expand: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Also expand each query by its N nearest images.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed of the split. Default: that of the training.")] = None,
    no_map: Annotated[bool, typer.Option("--no-map", help="Omit the t-SNE map, which is slow.")] = False,
    threads: Annotated[int | None, typer.Option(metavar="N", help="Number of CPU threads. Default: all.")] = None,
    cache: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Cache of decoded images. Default: the cache folder of the user.")
    ] = None,
    progress: Annotated[str | None, typer.Option(metavar="bars|json", help="Bars on stderr, or JSON lines on stdout.")] = None,
    home: options.Home = None,
) -> None:
    """Measure a model on labelled images and write a report.

    The card of the model lists the images that it was trained on.

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
            "--rank-by": rank_by,
            "--expand": expand,
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
