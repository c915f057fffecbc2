"""Train encoder and matcher end to end, from a trained autoencoder: the Siamese baseline of the residual-dyad paper."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.backbones.autoencoder import Autoencoder
from models.data.samplers import Indices
from models.data.statistics import band_statistics
from models.losses.build import build_loss
from models.matcher.siamese import Siamese
from models.runs.networks.run_loop import run_loop
from models.runs.networks.run_options import RunOptions
from models.runs.networks.validation_loss import VALIDATION_LOSS, pair_loss
from models.training.loop.seeds import seed_everything
from models.training.recipes.recipe import Recipe
from models.training.tasks.matching import PairBatches, SiameseTask
from models.training.transforms import Preparation


@dataclass(frozen=True, slots=True)
class TrainedSiamese:
    """The network, the preparation of its input images, and why the run ended."""

    network: Siamese
    preparation: Preparation
    reason: str


def train_siamese(
    recipe: Recipe,
    autoencoder: Autoencoder,
    pixels: NDArray[np.uint8],
    rows: Indices,
    labels: Indices,
    options: RunOptions,
    *,
    validation: tuple[Indices, Indices] | None = None,
) -> TrainedSiamese:
    """Run a recipe of task "siamese" on pairs of the images `pixels[rows]`; all pairs are random, because the encoder changes.

    autoencoder: its encoder is the start; it is not changed. pixels: (N, S, S, B) uint8. rows, labels: (T,) int64. validation:
    rows and labels of images on whose pairs early stopping watches the loss; None for the training loss.

    Raises:
        ValueError: the recipe, the images and the autoencoder do not fit. CheckpointError, DivergedError: see `Loop.run`.
    """
    if recipe.task != "siamese" or recipe.pairs.hard:
        raise ValueError(f"the recipe {recipe.name!r} has task {recipe.task!r} or hard pairs; use task 'siamese' and hard = 0")
    seed_everything(recipe.seed)
    mean, std = band_statistics(pixels, rows)
    network = Siamese.from_autoencoder(autoencoder, pixels.shape[1])
    loss = build_loss(recipe.loss, num_classes=0, dim=0, num_images=0)
    task = SiameseTask(network, loss, Preparation(mean, std, recipe.augment))
    task.to(options.process.device)
    batches = PairBatches(recipe, [pixels[rows]], labels, np.empty((len(rows), 0), np.float32), options.process.shard)
    validate = None
    if validation is not None:
        held, known = validation
        validate = pair_loss(recipe, task, [pixels[held]], known, np.empty((len(held), 0), np.float32))
    watch = None if validate is None else VALIDATION_LOSS
    outcome = run_loop(recipe, task, batches, options, validate=validate, watch=watch)
    return TrainedSiamese(network, task.preparation, outcome.reason)
