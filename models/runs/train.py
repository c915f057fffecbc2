"""Train a model by a recipe on folders of images and write it as a bundle.

    python -m models.runs.train nsl-margin --data UCMerced/Images --out models/ucm
    python -m models.runs.train hr-s2dml --data aid --labelled 0.2 --set epochs=30 --size 128 --out models/aid
    python -m models.runs.train default-matcher --from models/ucm --data UCMerced/Images --out models/ucm-matched
    torchrun --nproc-per-node 4 -m models.runs.train default --data aid --out models/aid

A data set is a folder with one sub-folder of images per class. Ctrl-C stops after the current update; the same command resumes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from models.runs.command_line import UsageError, default_cache, parse_bands, parse_folders, parse_names, run_program
from models.runs.progress_output import Progress, make_progress
from models.training.recipes.listing import list_recipes
from models.training.recipes.load import RecipeError, load_recipe

if TYPE_CHECKING:
    from models.runs.bundle_facts import Naming
    from models.runs.inputs.training_data import DataChoice
    from models.runs.training_run import RunSettings
    from models.training.recipes.recipe import Recipe

HELD = 0.05
"""Share of validation images for recipes that need them."""


def main() -> int:
    """The program; returns its exit status."""
    options = _parse()
    if options.list:
        print("\n".join(list_recipes()))  # noqa: T201
        return 0
    # torch takes seconds to import; --help and errors in options do not need it
    import torch

    from models.backbones.weights import WeightsError
    from models.bundle.errors import BundleError
    from models.data.errors import DataError
    from models.evaluation.errors import EvaluationError
    from models.training.loop.checkpoints import CheckpointError
    from models.training.loop.loop import DivergedError

    failures = (DataError, BundleError, WeightsError, CheckpointError, DivergedError, EvaluationError, torch.OutOfMemoryError)
    return run_program(lambda: _train(options), failures)


def _train(options: argparse.Namespace) -> int:
    import torch

    from models.runs.stop_signals import Interrupted
    from models.runs.training_run import run_training
    from models.training.allocator import keep_freed_memory
    from models.training.loop.distributed import join_processes

    keep_freed_memory()
    if options.threads:
        torch.set_num_threads(options.threads)
    settings = _settings(options)
    with join_processes(options.device) as process:
        progress = make_progress(options.progress) if process.is_main else Progress()
        try:
            card = run_training(settings, progress, process)
        except Interrupted as stop:
            progress.say(f"stopped; the checkpoint is in {settings.folder}; run the same command to resume")
            return stop.status
    if card is not None:
        metrics = {name: each.model_dump(mode="json") for name, each in card.metrics.items()}
        progress.event("bundle", id=card.id, folder=str(settings.out), metrics=metrics)
        for name, measured in card.metrics.items():
            values = "  ".join(f"{key} {value:.4f}" for key, value in measured.values.items())
            progress.say(f"{name} ({measured.protocol.split(':')[0]}): {values}")
        progress.say(f"wrote {settings.out}")
    return 0


def _settings(options: argparse.Namespace) -> RunSettings:
    from models.runs.training_run import RunSettings
    from models.training.logs.tensorboard import TensorBoardLog

    recipe = _recipe(options)
    out: Path = options.out
    folder = options.folder or out.parent / f".{out.name}.training"
    return RunSettings(
        recipe=recipe,
        choice=_choice(options, recipe),
        naming=_naming(options),
        out=out,
        folder=folder,
        cache=options.cache,
        start=options.start,
        weights=options.weights,
        is_scratch=options.folder is None,
        is_int8=options.int8,
        resume=options.resume,
        checkpoint_every=options.checkpoint_every,
        listeners=() if options.tensorboard is None else (TensorBoardLog(options.tensorboard),),
    )


def _recipe(options: argparse.Namespace) -> Recipe:
    overrides = list(options.overrides)
    if options.size is not None:
        overrides.append(f"image_size={options.size}")
    if options.seed is not None:
        overrides.append(f"seed={options.seed}")
    try:
        recipe = load_recipe(options.recipe, overrides)
    except RecipeError as error:
        raise UsageError(str(error)) from None
    if recipe.task == "matcher" and options.size is not None:
        raise UsageError("a matcher uses the image size of its encoder; omit --size")
    if options.start is not None and options.weights is not None:
        raise UsageError("--from and --weights exclude each other; give one of them")
    if recipe.task in ("matcher", "siamese") and options.start is None:
        raise UsageError(f"the recipe {recipe.name!r} needs a trained encoder; give --from BUNDLE")
    return recipe


def _choice(options: argparse.Namespace, recipe: Recipe) -> DataChoice:
    from models.runs.inputs.training_data import DataChoice

    is_held = recipe.task in ("matcher", "siamese") or recipe.patience is not None
    return DataChoice(
        folders=parse_folders(options.data),
        unlabelled=tuple(options.unlabelled),
        train_fraction=options.train_fraction,
        labelled=options.labelled,
        validation=options.validation if options.validation is not None else HELD if is_held else 0.0,
        seed=recipe.seed,
        without_classes=parse_names(options.without_classes),
        bands=parse_bands(options.bands),
    )


def _naming(options: argparse.Namespace) -> Naming:
    from models.runs.bundle_facts import Naming

    names = parse_folders(options.data)
    terms = {}
    for text in options.terms:
        name, equals, rest = text.partition("=")
        terms.update({name: rest} if equals and name in names else {"": text})
    return Naming(options.out.name, options.title, options.description, options.licence, terms, parse_names(options.band_names))


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _share(text: str) -> float:
    return 0.0 if float(text) == 0 else _fraction(text)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m models.runs.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("recipe", nargs="?", help="name of a recipe, or a .toml or .json file")
    add("--list", action="store_true", help="list the recipes and exit")
    add("--out", type=Path, help="folder of the bundle to write; its name is the model's id")
    add(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a field of the recipe, as loss.tau=0.1",
    )
    add("--size", type=int, help="image size in pixels per side (default: the recipe's)")
    add("--seed", type=int, help="seed of the split and the training (default: the recipe's)")
    add("--from", dest="start", type=Path, metavar="BUNDLE", help="start from the encoder of a bundle")
    add("--weights", type=Path, metavar="FILE", help="start from pretrained weights of the backbone, for example torchvision's")
    _add_data(parser)
    _add_card(parser)
    _add_machine(parser)
    options = parser.parse_args()
    if not options.list and not (options.recipe and options.data and options.out):
        parser.error("a recipe, --data and --out are required; --list shows the recipes")
    if options.out is not None:
        options.out = options.out.absolute()
    return options


def _add_data(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("data").add_argument
    add(
        "--data",
        action="append",
        default=[],
        metavar="[NAME=]FOLDER",
        help="folder with one sub-folder of images per class; may be repeated",
    )
    add(
        "--unlabelled",
        action="append",
        default=[],
        type=Path,
        metavar="FOLDER",
        help="folder of unlabelled images; may be repeated",
    )
    add("--train-fraction", type=_fraction, metavar="SHARE", help="share of each class that is not for testing (default: 0.8)")
    add(
        "--labelled",
        type=_fraction,
        metavar="SHARE",
        help="share of each class with labels; without --train-fraction the rest is both unlabelled and test images",
    )
    add("--validation", type=_share, metavar="SHARE", help="share of all images for validation, taken from the training images")
    add("--without-classes", metavar="CLASS,...", help="leave these classes out")
    add("--bands", metavar="B,...", help="bands to use, in order, counted from 1 (default: all)")
    add("--cache", type=Path, default=default_cache(), metavar="FOLDER", help="folder of decoded images (default: %(default)s)")


def _add_card(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("card").add_argument
    add("--title", default="", help="title of the model")
    add("--description", default="", help="description of the model")
    add("--licence", default="", help="licence of the model")
    add("--terms", action="append", default=[], metavar="[NAME=]TEXT", help="terms of use of the data")
    add("--band-names", metavar="NAME,...", help="names of the bands, in order")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--int8", action="store_true", help="write the encoder in int8, smaller and faster on CPUs")
    form.add_argument("--float32", dest="int8", action="store_false", help="write the encoder in float32 (the default)")


def _add_machine(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("run").add_argument
    add("--folder", type=Path, help="folder of checkpoints and log (default: one beside --out, deleted at the end)")
    add("--resume", action=argparse.BooleanOptionalAction, default=True, help="resume from the checkpoints in the folder")
    add(
        "--checkpoint-every",
        type=int,
        default=50,
        metavar="UPDATES",
        help="write a checkpoint every so many updates, and after each epoch (default: %(default)s)",
    )
    add("--threads", type=int, default=0, help="number of CPU threads (default: all)")
    add("--device", choices=("cpu", "cuda"), help="device (default: a GPU if there is one)")
    add("--tensorboard", type=Path, metavar="FOLDER", help="folder of a TensorBoard log")
    add("--progress", choices=("bars", "json"), default="bars", help="progress bars on stderr, or JSON lines on stdout")


if __name__ == "__main__":
    sys.exit(main())
