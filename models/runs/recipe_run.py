"""Run a recipe of any task: embedding, autoencoder, matcher or Siamese network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from models.backbones.autoencoder import Autoencoder, ResAE, ResDyadAE
from models.backbones.weights import load_weights
from models.bundle.trained_card import EncoderFacts, Measurement
from models.data.statistics import band_statistics
from models.export.write_bundle import Bundle, Matcher
from models.matcher.split import SplitMatcher
from models.runs.command_line import UsageError
from models.runs.inputs.training_data import TrainingData
from models.runs.networks.pca_head import with_fitted_head
from models.runs.networks.prepare_matcher import prepare_matcher
from models.runs.networks.reconstructions import draw_reconstructions
from models.runs.networks.run_options import RunOptions
from models.runs.networks.shortlist_scores import encoded_set
from models.runs.networks.train_autoencoder import train_autoencoder
from models.runs.networks.train_embedder import TrainedEncoder, TrainingImages, train_embedder
from models.runs.networks.train_matcher import encode_views, train_matcher
from models.runs.networks.train_siamese import train_siamese
from models.runs.networks.validation import validation_map
from models.runs.progress_output import Progress
from models.runs.stop_signals import stop_on_signals
from models.training.loop.callbacks import Callback
from models.training.loop.distributed import Process
from models.training.loop.seeds import seed_everything
from models.training.recipes.recipe import Recipe, Task
from models.training.tasks.metric_learning import recipe_encoder
from models.training.transforms import Preparation

VIEWS = 2
"""Augmented copies of each training image of a matcher, in addition to the image itself."""


@dataclass(frozen=True, slots=True)
class RecipeRun:
    """Inputs of a run.

    checkpoints: their folder. start: bundle to start from. weights: file of pretrained weights of the trunk.
    """

    recipe: Recipe
    data: TrainingData
    checkpoints: Path
    start: Bundle | None
    weights: Path | None
    callbacks: list[Callback]
    progress: Progress
    process: Process
    checkpoint_every: int

    def run_options(self, should_stop: Callable[[], bool]) -> RunOptions:
        """Options of its training. should_stop: called after each update."""
        return RunOptions(self.checkpoints, self.callbacks, self.checkpoint_every, self.process, should_stop)

    @property
    def required_start(self) -> Bundle:
        """The bundle to start from, for recipes that need one."""
        if self.start is None:
            raise UsageError(f"the recipe {self.recipe.name!r} needs a trained encoder; give --from BUNDLE")
        return self.start


@dataclass(frozen=True, slots=True)
class RunResult:
    """Result of a run.

    encoder: how it is built, if not as in the recipe. metrics: of the matcher. sheet: an autoencoder's reconstructions of test
    images.
    """

    trained: TrainedEncoder
    encoder: EncoderFacts | None = None
    matcher: Matcher | None = None
    metrics: Mapping[str, Measurement] = field(default_factory=dict)
    sheet: Image.Image | None = None


def run_recipe(run: RecipeRun) -> RunResult:
    """Train by the recipe.

    Raises:
        Interrupted: a signal stopped the run; its checkpoint is written.
        WeightsError: the file of weights does not fit. CheckpointError, DivergedError: see `Loop.run`.
    """
    tasks: dict[Task, Callable[[RecipeRun], RunResult]] = {
        "embedding": _embedding,
        "autoencoder": _autoencoder,
        "matcher": _matcher,
        "siamese": _siamese,
    }
    return tasks[run.recipe.task](run)


def _embedding(run: RecipeRun) -> RunResult:
    recipe, data = run.recipe, run.data
    pixels = data.material.pixels
    mean, std = _normalisation(run)
    unlabelled = data.unlabelled if recipe.loss.inputs == "joint" else np.zeros(0, np.int64)
    validate = validation_map(data.material, pixels)
    encoder = None
    if run.start is not None:
        encoder = copy.deepcopy(run.start.encoder)
        encoder.trunk.adapt_bands(recipe.bands)
    elif run.weights is not None:
        seed_everything(recipe.seed)
        encoder = recipe_encoder(recipe, run.weights)
    with stop_on_signals() as stop:
        trained = train_embedder(
            recipe,
            TrainingImages(pixels, data.rows, data.labels, unlabelled, mean, std),
            run.run_options(stop),
            encoder=encoder,
            validate=validate,
            watch="map" if validate is not None and recipe.patience is not None else None,
        )
        stop.raise_if_cause(trained.reason)
    return RunResult(trained)


def _autoencoder(run: RecipeRun) -> RunResult:
    recipe, data = run.recipe, run.data
    pixels, rows = data.material.pixels, np.concatenate([data.rows, data.unlabelled])
    start = None if run.start is None and run.weights is None else _starting_autoencoder(run)
    with stop_on_signals() as stop:
        done = train_autoencoder(recipe, pixels, rows, run.run_options(stop), start=start, validation=data.material.validation)
        stop.raise_if_cause(done.reason)
    sheet = draw_reconstructions(done, pixels, data.material.test, recipe.name) if len(data.material.test) else None
    encoder = with_fitted_head(done.network.encoder, done.preparation, pixels, data.rows, recipe.dim, recipe.seed)
    return RunResult(TrainedEncoder(done.network, encoder, done.preparation, done.reason), sheet=sheet)


def _matcher(run: RecipeRun) -> RunResult:
    recipe, data, start = run.recipe, run.data, run.required_start
    pixels = data.material.pixels
    encoder, scale = copy.deepcopy(start.encoder), start.card.normalisation
    trained = TrainedEncoder(encoder, encoder, Preparation(scale.mean, scale.std, recipe.augment), "frozen")
    run.progress.say(f"encoding {len(data.rows)} images {VIEWS + 1} times")
    views = encode_views(trained, pixels, data.rows, VIEWS)
    held = data.material.validation
    validation = None
    if recipe.patience is not None and len(held):
        validation = (encode_views(trained, pixels, held, VIEWS), data.material.labels[held])
    with stop_on_signals() as stop:
        network = train_matcher(recipe, views, data.labels, run.run_options(stop), validation=validation)
        stop.raise_if_cause("interrupted" if stop() else "finished")
    ready = prepare_matcher(network, trained, data, encoded_set(views[0], data.material.labels[data.rows]))
    return RunResult(trained, start.card.encoder, ready.matcher, ready.metrics)


def _siamese(run: RecipeRun) -> RunResult:
    recipe, data, start = run.recipe, run.data, run.required_start
    pixels = data.material.pixels
    with stop_on_signals() as stop:
        start_at, held = _starting_autoencoder(run), data.material.validation
        done = train_siamese(
            recipe,
            start_at,
            pixels,
            data.rows,
            data.labels,
            run.run_options(stop),
            validation=(held, data.material.labels[held]),
        )
        stop.raise_if_cause(done.reason)
    trunk = done.network.cpu().trunk
    preparation = done.preparation.cpu()
    encoder = with_fitted_head(trunk, preparation, pixels, data.rows, recipe.dim, recipe.seed)
    trained = TrainedEncoder(done.network, encoder, preparation, done.reason)
    ready = prepare_matcher(SplitMatcher.from_matcher(done.network.matcher), trained, data)
    return RunResult(trained, start.card.encoder, ready.matcher, ready.metrics)


def _normalisation(run: RecipeRun) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of the bands: from the card of the starting bundle, otherwise of the training images."""
    if run.start is not None and len(run.start.card.bands) == run.recipe.bands:
        return run.start.card.normalisation.mean, run.start.card.normalisation.std
    return band_statistics(run.data.material.pixels, run.data.rows)


def _starting_autoencoder(run: RecipeRun) -> Autoencoder:
    """An autoencoder with the encoder of the bundle or of the weights file, and a new decoder."""
    recipe = run.recipe
    seed_everything(recipe.seed)
    kind = ResDyadAE if recipe.backbone == "resdyad-ae" else ResAE
    network = kind(recipe.code, width=recipe.width, bands=recipe.bands)
    if run.start is not None:
        trunk = copy.deepcopy(run.start.encoder.trunk)
        trunk.adapt_bands(recipe.bands)
        network.encoder.load_state_dict(trunk.state_dict())
    elif run.weights is not None:
        load_weights(network.encoder, run.weights)
    return network
