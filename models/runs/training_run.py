"""One training run, from folders of images to a bundle."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.bundle.errors import AccuracyError, BundleError
from models.bundle.files import CARD_FILE
from models.bundle.trained_card import TrainedCard
from models.evaluation.report.pictures import encode_jpeg
from models.export.quantise import CALIBRATION_TILES, Int8, retrieval_score
from models.export.write_bundle import Bundle, read_bundle, write_bundle
from models.runs.bundle_facts import Naming, make_facts
from models.runs.inputs.compatibility import check_fit, fit_recipe
from models.runs.inputs.split_overlap import seen_before
from models.runs.inputs.training_data import DataChoice, TrainingData, load_training_data
from models.runs.networks.card_metrics import measure_test
from models.runs.progress_output import Progress
from models.runs.recipe_run import RecipeRun, RunResult, run_recipe
from models.runs.run_folder import CHECKPOINTS, claim_folder, digest_of
from models.training.logs.jsonlines import JsonLines
from models.training.loop.callbacks import Callback
from models.training.loop.distributed import Process
from models.training.recipes.recipe import Recipe

SCORED = 2000
"""Maximum number of images on which the int8 graph is evaluated."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Settings of a training run.

    out: folder of the bundle. folder: of checkpoints and log. is_scratch: delete that folder when the bundle is written. cache:
    of decoded images. start: bundle to start from. weights: file of pretrained weights. is_int8: quantise the encoder's graph.
    resume: continue from the folder's checkpoints. listeners: more callbacks of the training loop.
    """

    recipe: Recipe
    choice: DataChoice
    naming: Naming
    out: Path
    folder: Path
    cache: Path
    start: Path | None = None
    weights: Path | None = None
    is_scratch: bool = True
    is_int8: bool = False
    resume: bool = True
    checkpoint_every: int = 50
    listeners: tuple[Callback, ...] = ()


def run_training(settings: RunSettings, progress: Progress, process: Process) -> TrainedCard | None:
    """Train, evaluate, write the bundle; returns its card, None in all processes except the first.

    Raises:
        Interrupted: by a signal; the same call continues the run. UsageError, DataError, BundleError, WeightsError,
        CheckpointError, DivergedError: what is wrong, in one line.
    """
    if settings.out.exists() or settings.out.is_symlink():
        raise BundleError(f"{settings.out} exists; choose another name, or delete it first")
    start = None if settings.start is None else read_bundle(settings.start)
    # the first process decodes the images and claims the folder; the others wait
    if not process.is_main:
        process.share(0)
    recipe, data = _load(settings, start, progress)
    if process.is_main:
        claim_folder(settings.folder, _identity(settings, recipe, data), resume=settings.resume)
        process.share(0)
    _announce(recipe, data, start, progress)
    run = RecipeRun(
        recipe,
        data,
        settings.folder / CHECKPOINTS,
        start,
        settings.weights,
        [*progress.callbacks(), JsonLines(settings.folder / "log.jsonl"), *settings.listeners],
        progress,
        process,
        settings.checkpoint_every,
    )
    result = run_recipe(run)
    if not process.is_main:
        return None
    card = _write(settings, recipe, data, result, start, progress)
    if settings.is_scratch:
        shutil.rmtree(settings.folder)
    return card


def _load(settings: RunSettings, start: Bundle | None, progress: Progress) -> tuple[Recipe, TrainingData]:
    """The images, and the recipe with the network of `start` and the bands of the images."""
    recipe = fit_recipe(settings.recipe, start)
    with progress.counting("decoding") as count:
        data = load_training_data(settings.choice, recipe.image_size, settings.cache, count)
    recipe = recipe.model_copy(update={"bands": int(data.material.pixels.shape[3])})
    check_fit(recipe, data, start)
    # also built before the training, so that values that a card cannot hold are reported at once
    make_facts(settings.naming, data, recipe, (0.0,) * recipe.bands, (1.0,) * recipe.bands, base=start.card if start else None)
    return recipe, data


def _announce(recipe: Recipe, data: TrainingData, start: Bundle | None, progress: Progress) -> None:
    counts = (
        f"{len(data.rows)} labelled images of {int(data.labels.max()) + 1} classes and {len(data.unlabelled)} unlabelled images"
    )
    progress.say(f"{recipe.name}: training on {counts}; {len(data.material.test)} test images")
    for warning in () if start is None else seen_before(start.card, data):
        progress.say(f"warning: {warning}")


def _write(
    settings: RunSettings, recipe: Recipe, data: TrainingData, result: RunResult, start: Bundle | None, progress: Progress
) -> TrainedCard:
    trained = result.trained
    metrics = {**measure_test(data, trained, progress), **result.metrics}
    mean, std = (tuple(map(float, each.flatten())) for each in (trained.preparation.mean, trained.preparation.std))
    base = None if start is None else start.card
    facts = make_facts(
        settings.naming, data, recipe, mean, std, encoder=result.encoder, base=base, weights=settings.weights, metrics=metrics
    )
    progress.say("writing the bundle")
    try:
        int8 = _int8(data) if settings.is_int8 else None
        card = write_bundle(settings.out, trained.encoder, facts, matcher=result.matcher, int8=int8)
    except AccuracyError as error:
        raise AccuracyError(
            f"{error}; run the same command with --float32 to write the bundle without training again"
        ) from None
    if result.sheet is not None:
        picture = settings.out.with_name(f"{settings.out.name}-reconstructions.jpg")
        picture.write_bytes(encode_jpeg(result.sheet))
        progress.say(f"reconstructions of test images are in {picture}")
    return card


def _int8(data: TrainingData) -> Int8:
    """Quantisation ranges from training images, the loss of accuracy from other images."""
    material, random = data.material, np.random.default_rng(data.choice.seed)
    rows = np.sort(random.permutation(data.rows)[:CALIBRATION_TILES])
    held = material.validation if len(material.validation) else material.test
    scored = np.sort(random.permutation(held)[:SCORED])
    return Int8(material.pixels[rows], retrieval_score(material.pixels[scored], material.labels[scored]))


def _identity(settings: RunSettings, recipe: Recipe, data: TrainingData) -> dict[str, Any]:
    """Values that must be equal to continue a run, besides the settings of the loop."""
    images = hashlib.sha256("".join(data.material.images.hashes).encode()).hexdigest()
    return {
        "recipe": recipe.model_dump(mode="json"),
        "data": {**data.describe(), "digest": images, "bands": settings.choice.bands},
        "from": digest_of(None if settings.start is None else settings.start / CARD_FILE),
        "weights": digest_of(settings.weights),
    }
