"""The four kinds of recipes, each run on the same data and with the same result."""

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
from models.runs.default.matcher import show
from models.runs.inputs.training_data import TrainingData
from models.runs.networks.autoencoder import train_autoencoder
from models.runs.networks.conduct import Conduct
from models.runs.networks.embedder import TrainedEncoder, TrainingImages, train_embedder
from models.runs.networks.head import with_fitted_head
from models.runs.networks.matcher import encode_views, train_matcher
from models.runs.networks.reconstructions import draw_reconstructions
from models.runs.networks.reranking import prepare_matcher
from models.runs.networks.siamese import train_siamese
from models.runs.networks.validation import validation_map
from models.runs.program import UsageError
from models.runs.progress import Progress
from models.runs.stopping import stop_on_signals
from models.training.loop.callbacks import Callback
from models.training.loop.distributed import Process
from models.training.loop.seeds import seed_everything
from models.training.recipes.recipe import Recipe, Task
from models.training.tasks.metric_learning import recipe_encoder
from models.training.transforms import Preparation

VIEWS = 2
"""Augmented copies of every image that a matcher sees beside the image itself."""


@dataclass(frozen=True, slots=True)
class Job:
    """All that a run is made of.

    checkpoints: their folder. start: the bundle that it begins with. weights: a file of the trunk's weights to begin with.
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

    def conduct(self, should_stop: Callable[[], bool]) -> Conduct:
        """How its training is conducted, until somebody wishes that it stops."""
        return Conduct(self.checkpoints, self.callbacks, self.checkpoint_every, self.process, should_stop)

    @property
    def begun(self) -> Bundle:
        """The bundle that a recipe begins with which cannot do without."""
        if self.start is None:
            raise UsageError(f"the recipe {self.recipe.name!r} begins with a trained encoder; give --from BUNDLE")
        return self.start


@dataclass(frozen=True, slots=True)
class Made:
    """What a run made.

    encoder: how it is built, where that is not as the recipe says. metrics: of the matcher. sheet: what an autoencoder makes of
    images that it was not trained on.
    """

    trained: TrainedEncoder
    encoder: EncoderFacts | None = None
    matcher: Matcher | None = None
    metrics: Mapping[str, Measurement] = field(default_factory=dict)
    sheet: Image.Image | None = None


def run_task(job: Job) -> Made:
    """Train as the recipe says.

    Raises:
        Interrupted: a signal stopped it; its checkpoint is written.
        WeightsError: the file of weights does not fit. CheckpointError, DivergedError: see `Loop.run`.
    """
    tasks: dict[Task, Callable[[Job], Made]] = {
        "embedding": _embedding,
        "autoencoder": _autoencoder,
        "matcher": _matcher,
        "siamese": _siamese,
    }
    return tasks[job.recipe.task](job)


def _embedding(job: Job) -> Made:
    recipe, data = job.recipe, job.data
    pixels = data.material.pixels
    mean, std = _normalisation(job)
    unlabelled = data.unlabelled if recipe.loss.inputs == "joint" else np.zeros(0, np.int64)
    validate = validation_map(data.material, pixels)
    encoder = None
    if job.start is not None:
        encoder = copy.deepcopy(job.start.encoder)
        encoder.trunk.adapt_bands(recipe.bands)
    elif job.weights is not None:
        seed_everything(recipe.seed)
        encoder = recipe_encoder(recipe, job.weights)
    with stop_on_signals() as wish:
        trained = train_embedder(
            recipe,
            TrainingImages(pixels, data.rows, data.labels, unlabelled, mean, std),
            job.conduct(wish),
            encoder=encoder,
            validate=validate,
            watch="map" if validate is not None and recipe.patience is not None else None,
        )
        wish.obey(trained.reason)
    return Made(trained)


def _autoencoder(job: Job) -> Made:
    recipe, data = job.recipe, job.data
    pixels, rows = data.material.pixels, np.concatenate([data.rows, data.unlabelled])
    start = None if job.start is None and job.weights is None else _begun_autoencoder(job)
    with stop_on_signals() as wish:
        done = train_autoencoder(recipe, pixels, rows, job.conduct(wish), start=start)
        wish.obey(done.reason)
    sheet = draw_reconstructions(done, pixels, data.material.test, recipe.name) if len(data.material.test) else None
    encoder = with_fitted_head(done.network.encoder, done.preparation, pixels, data.rows, recipe.dim, recipe.seed)
    return Made(TrainedEncoder(done.network, encoder, done.preparation, done.reason), sheet=sheet)


def _matcher(job: Job) -> Made:
    recipe, data, start = job.recipe, job.data, job.begun
    pixels = data.material.pixels
    encoder, scale = copy.deepcopy(start.encoder), start.card.normalisation
    trained = TrainedEncoder(encoder, encoder, Preparation(scale.mean, scale.std, recipe.augment), "frozen")
    job.progress.say(f"encoding {len(data.rows)} images {VIEWS + 1} times")
    views = encode_views(trained, pixels, data.rows, VIEWS)
    with stop_on_signals() as wish:
        network = train_matcher(recipe, views, data.labels, job.conduct(wish))
        wish.obey("interrupted" if wish() else "finished")
    ready = prepare_matcher(network, trained, data, show(views[0], data.material.labels[data.rows]))
    return Made(trained, start.card.encoder, ready.matcher, ready.metrics)


def _siamese(job: Job) -> Made:
    recipe, data, start = job.recipe, job.data, job.begun
    pixels = data.material.pixels
    with stop_on_signals() as wish:
        done = train_siamese(recipe, _begun_autoencoder(job), pixels, data.rows, data.labels, job.conduct(wish))
        wish.obey(done.reason)
    trunk = done.network.cpu().trunk
    preparation = done.preparation.cpu()
    encoder = with_fitted_head(trunk, preparation, pixels, data.rows, recipe.dim, recipe.seed)
    trained = TrainedEncoder(done.network, encoder, preparation, done.reason)
    ready = prepare_matcher(SplitMatcher.from_matcher(done.network.matcher), trained, data)
    return Made(trained, start.card.encoder, ready.matcher, ready.metrics)


def _normalisation(job: Job) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of the bands: those that a begun encoder knows, otherwise of the training images."""
    if job.start is not None and len(job.start.card.bands) == job.recipe.bands:
        return job.start.card.normalisation.mean, job.start.card.normalisation.std
    return band_statistics(job.data.material.pixels, job.data.rows)


def _begun_autoencoder(job: Job) -> Autoencoder:
    """An autoencoder whose encoder is that of the bundle or of the weights file; its decoder is new."""
    recipe = job.recipe
    seed_everything(recipe.seed)
    kind = ResDyadAE if recipe.backbone == "resdyad-ae" else ResAE
    network = kind(recipe.code, width=recipe.width, bands=recipe.bands)
    if job.start is not None:
        trunk = copy.deepcopy(job.start.encoder.trunk)
        trunk.adapt_bands(recipe.bands)
        network.encoder.load_state_dict(trunk.state_dict())
    elif job.weights is not None:
        load_weights(network.encoder, job.weights)
    return network
