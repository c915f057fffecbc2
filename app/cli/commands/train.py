"""`dyad train`: a model of one's own."""

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
        typer.Option(metavar="[NAME=]FOLDER", help="Folder whose sub-folders are the classes; may be repeated."),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="NAME_OR_FOLDER", help="Id of the new model, which `dyad serve` then lists; or its folder."),
    ] = None,
    list_recipes: Annotated[bool, typer.Option("--list", help="List the recipes and stop.")] = False,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a field of the recipe; may be repeated.")
    ] = None,
    size: Annotated[int | None, typer.Option(metavar="PIXELS", help="Edge of the images; the recipe's if not given.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the split and of the training; the recipe's if not given.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="BUNDLE", help="Begin with the encoder of this model (id or folder).")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Begin with weights of the backbone, as torchvision's.")
    ] = None,
    labelled: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Of each class with labels; the rest is seen without, and tested on.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    train_fraction: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Of each class that is not tested on; 0.8 if not given.", rich_help_panel=_DATA),
    ] = None,
    validation: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Of all images, taken out of the training part.", rich_help_panel=_DATA),
    ] = None,
    unlabelled: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="More images, without labels; may be repeated.", rich_help_panel=_DATA),
    ] = None,
    without_classes: Annotated[
        str | None, typer.Option(metavar="CLASS,...", help="Leave classes out.", rich_help_panel=_DATA)
    ] = None,
    bands: Annotated[
        str | None,
        typer.Option(
            metavar="B,...", help="Numbers of the bands, from 1 on, in order; all if not given.", rich_help_panel=_DATA
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Of decoded images; the user's cache if not given.", rich_help_panel=_DATA),
    ] = None,
    title: Annotated[str | None, typer.Option(help="One line for people.", rich_help_panel=_CARD)] = None,
    licence: Annotated[str | None, typer.Option(help="Of the model.", rich_help_panel=_CARD)] = None,
    terms: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]TEXT", help="Under which the training data may be used.", rich_help_panel=_CARD),
    ] = None,
    band_names: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Of the bands, in order.", rich_help_panel=_CARD)
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8/--float32", help="An encoder in int8 is smaller and quicker on CPUs.", rich_help_panel=_CARD)
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Of checkpoints and log; if not given, one beside the model that goes away at the end.", rich_help_panel=_RUN
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on with what that folder holds.", rich_help_panel=_RUN)
    ] = True,
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="Of the processor; all if not given.", rich_help_panel=_RUN)
    ] = None,
    tensorboard: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write a log for TensorBoard.", rich_help_panel=_RUN)
    ] = None,
    progress: Annotated[
        str | None, typer.Option(metavar="bars|json", help="Bars on stderr, or lines of JSON on stdout.", rich_help_panel=_RUN)
    ] = None,
    home: options.Home = None,
) -> None:
    """Train a model by a recipe, test it, and write it as a bundle. Needs the extra: pip install "dyad\\[train]".

    Ctrl-C stops after the update in hand; the same command goes on from there.

    Examples:

        dyad train --list

        dyad train nsl-margin --data UCMerced/Images --size 128 --set epochs=30 --out ucm

        dyad train hr-s2dml --data AID --labelled 0.2 --out aid-few-labels

        dyad train default-matcher --from ucm --data UCMerced/Images --out ucm-matched
    """
    if list_recipes:
        raise typer.Exit(run_module(PROGRAM, ["--list"]))
    if recipe is None or not data or out is None:
        raise typer.BadParameter("give a recipe, --data and --out; --list names the recipes")
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
        _say_how_to_use(target, root, data[0])


def _home(home: Path | None) -> Path:
    from app.settings import load_settings

    return load_settings(home=home).home


def _target(out: str, home: Path | None) -> Path:
    """A folder as it is; a plain name is a model of the state folder."""
    is_name = os.sep not in out and out not in (".", "..")
    return _home(home) / "models" / out if is_name else Path(out)


def _say_how_to_use(target: Path, home: Path, data: str) -> None:
    models = home / "models"
    folder = shlex.quote(data.partition("=")[2] or data)
    if target.absolute().parent != models.absolute():
        say(f"to use it: dyad models import {shlex.quote(str(target))}")
    say(f"then: dyad index my-images {folder} --model {target.name}   or: dyad models activate {target.name}")
