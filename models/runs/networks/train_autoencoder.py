"""Train an autoencoder by a recipe, on images without labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.backbones.autoencoder import Autoencoder
from models.data.batches import ImageBatches
from models.data.folders import UNLABELLED
from models.data.samplers import Indices, ShuffledSampler
from models.data.statistics import band_statistics
from models.runs.networks.run_loop import run_loop
from models.runs.networks.run_options import RunOptions
from models.runs.networks.validation_loss import VALIDATION_LOSS, image_loss
from models.training.loop.seeds import seed_everything
from models.training.recipes.recipe import Recipe
from models.training.tasks.autoencoding import autoencoding_task
from models.training.transforms import Preparation


@dataclass(frozen=True, slots=True)
class TrainedAutoencoder:
    """The network, the preparation of its input images, and why the run ended."""

    network: Autoencoder
    preparation: Preparation
    reason: str


def train_autoencoder(
    recipe: Recipe,
    pixels: NDArray[np.uint8],
    rows: Indices,
    options: RunOptions,
    *,
    start: Autoencoder | None = None,
    validation: Indices | None = None,
) -> TrainedAutoencoder:
    """Run a recipe of task "autoencoder" on the images `pixels[rows]`, normalised by their own bands' statistics.

    pixels: (N, S, S, B) uint8, S a multiple of the encoder's reduction. start: an autoencoder of the same shape to start from
    (fine-tuning); it is not changed. validation: images whose loss early stopping watches; None for the training loss.

    Raises:
        ValueError: the recipe does not train an autoencoder, or the images do not fit. CheckpointError, DivergedError: see
        `Loop.run`.
    """
    seed_everything(recipe.seed)
    mean, std = band_statistics(pixels, rows)
    task = autoencoding_task(recipe, mean=mean, std=std)
    if start is not None:
        task.autoencoder.load_state_dict(start.state_dict())
    task.to(options.process.device)
    sampler = ShuffledSampler(len(rows), recipe.batch_size, recipe.seed)
    batches = ImageBatches(pixels, rows, np.full(len(rows), UNLABELLED, np.int64), sampler, options.process.shard)
    validate = image_loss(recipe, task, pixels, validation)
    watch = None if validate is None else VALIDATION_LOSS
    outcome = run_loop(recipe, task, batches, options, validate=validate, watch=watch)
    return TrainedAutoencoder(task.autoencoder, task.preparation, outcome.reason)
