"""`dyad train`: train a model on folders of images."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from app.cli import options
from app.cli.output import say
from app.cli.run_program import as_arguments, check_installed, find_bundle, run_module

PROGRAM = "models.runs.train"
_DATA, _CARD, _RUN = "Data", "Card", "Run"


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(metavar="RECIPE", help="Name of a recipe (see --list), or a .toml or .json file.", show_default=False),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]FOLDER", help="Folder with one sub-folder per class; repeatable."),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="NAME_OR_FOLDER", help="Identifier of the new model in the state folder, or an output folder."),
    ] = None,
    list_recipes: Annotated[bool, typer.Option("--list", help="List the recipes and exit.")] = False,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a field of the recipe; repeatable.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(metavar="PIXELS", help="Width and height of the images. Default: of the recipe.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed of the split and the training. Default: of the recipe.")] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="BUNDLE", help="Start from the encoder of this model (identifier or folder)."),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Start from these backbone weights (torchvision format).")
    ] = None,
    labelled: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Share of each class that keeps its labels; the rest is used unlabelled and for the test.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    train_fraction: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Share of each class for training; the rest is for the test. Default: 0.8.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    validation: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="Share of all images for validation, taken from the training part.", rich_help_panel=_DATA
        ),
    ] = None,
    unlabelled: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="Folder of more images, without labels; repeatable.", rich_help_panel=_DATA),
    ] = None,
    without_classes: Annotated[
        str | None, typer.Option(metavar="CLASS,...", help="Exclude these classes.", rich_help_panel=_DATA)
    ] = None,
    bands: Annotated[
        str | None,
        typer.Option(metavar="B,...", help="Band numbers (the first is 1), in order. Default: all.", rich_help_panel=_DATA),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Cache of decoded images. Default: the cache folder of the user.", rich_help_panel=_DATA
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the model, one line.", rich_help_panel=_CARD)] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the model.", rich_help_panel=_CARD)] = None,
    terms: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]TEXT", help="Terms of use of the training data.", rich_help_panel=_CARD),
    ] = None,
    band_names: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Names of the bands, in order.", rich_help_panel=_CARD)
    ] = None,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8/--float32", help="Number type of the encoder; int8 is smaller and faster on CPUs.", rich_help_panel=_CARD
        ),
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(help="Folder of checkpoints and log. Default: a temporary one beside the model.", rich_help_panel=_RUN),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Continue from the checkpoint in that folder.", rich_help_panel=_RUN)
    ] = True,
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="Number of CPU threads. Default: all.", rich_help_panel=_RUN)
    ] = None,
    tensorboard: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write a log for TensorBoard.", rich_help_panel=_RUN)
    ] = None,
    progress: Annotated[
        str | None, typer.Option(metavar="bars|json", help="Bars on stderr, or JSON lines on stdout.", rich_help_panel=_RUN)
    ] = None,
    home: options.Home = None,
) -> None:
    """Train a model with a recipe, test it, and write it as a bundle. Requires: pip install "dyad\\[train]".

    Ctrl-C stops after the current update. Run the same command again to continue.

    Examples:

        dyad train --list

        dyad train nsl-margin --data UCMerced/Images --size 128 --set epochs=30 --out ucm

        dyad train hr-s2dml --data AID --labelled 0.2 --out aid-few-labels

        dyad train default-matcher --from ucm --data UCMerced/Images --out ucm-matched
    """
    if list_recipes:
        raise typer.Exit(run_module(PROGRAM, ["--list"]))
    if recipe is None or not data or out is None:
        raise typer.BadParameter("pass a recipe, --data and --out; --list lists the recipes")
    check_installed("torch", "torchvision", "sklearn", "onnxscript")
    target, root = _target(out, home), _home(home)
    arguments = as_arguments(
        {
            "--data": data,
            "--out": target,
            "--set": overrides,
            "--size": size,
            "--seed": seed,
            "--from": None if start is None else find_bundle(start, root),
            "--weights": weights,
            "--labelled": labelled,
            "--train-fraction": train_fraction,
            "--validation": validation,
            "--unlabelled": unlabelled,
            "--without-classes": without_classes,
            "--bands": bands,
            "--cache": cache,
            "--title": title,
            "--licence": licence,
            "--terms": terms,
            "--band-names": band_names,
            "--int8": int8,
            "--folder": folder,
            "--no-resume": not resume,
            "--threads": threads,
            "--tensorboard": tensorboard,
            "--progress": progress,
        }
    )
    status = run_module(PROGRAM, [*arguments, "--", recipe])
    if status:
        raise typer.Exit(status)
    if progress != "json":
        _print_next_steps(target, root, data[0])


def _home(home: Path | None) -> Path:
    from app.settings import load_settings

    return load_settings(home=home).home


def _target(out: str, home: Path | None) -> Path:
    """The output folder; a plain name is a model in the state folder."""
    is_name = os.sep not in out and out not in (".", "..")
    return _home(home) / "models" / out if is_name else Path(out)


def _print_next_steps(target: Path, home: Path, data: str) -> None:
    models = home / "models"
    folder = shlex.quote(data.partition("=")[2] or data)
    if target.absolute().parent != models.absolute():
        say(f"to use it: dyad models import {shlex.quote(str(target))}")
    say(f"then: dyad index my-images {folder} --model {target.name}   or: dyad models activate {target.name}")
