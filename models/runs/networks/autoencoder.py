"""Train an autoencoder by a recipe, on images whose labels nobody needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.backbones.autoencoder import Autoencoder
from models.data.batches import ImageBatches
from models.data.folders import UNLABELLED
from models.data.samplers import Indices, ShuffledSampler
from models.data.statistics import band_statistics
from models.runs.networks.conduct import Conduct
from models.runs.networks.whole import run_whole
from models.training.loop.seeds import seed_everything
from models.training.recipes.recipe import Recipe
from models.training.tasks.autoencoding import autoencoding_task
from models.training.transforms import Preparation


@dataclass(frozen=True, slots=True)
class TrainedAutoencoder:
    """The network, what its images go through first, and how the run ended."""

    network: Autoencoder
    preparation: Preparation
    reason: str


def train_autoencoder(
    recipe: Recipe,
    pixels: NDArray[np.uint8],
    rows: Indices,
    conduct: Conduct,
    *,
    start: Autoencoder | None = None,
) -> TrainedAutoencoder:
    """Run a recipe of task "autoencoder" on the images `pixels[rows]`, normalised by their own bands' statistics.

    pixels: (N, S, S, B) uint8, S a multiple of the encoder's reduction. start: an autoencoder of the
    same shape whose weights this one begins with (fine-tuning); it stays as it is.

    Raises:
        ValueError: the recipe trains no autoencoder, or the images do not fit. CheckpointError, DivergedError: see `Loop.run`.
    """
    seed_everything(recipe.seed)
    mean, std = band_statistics(pixels, rows)
    task = autoencoding_task(recipe, mean=mean, std=std)
    if start is not None:
        task.autoencoder.load_state_dict(start.state_dict())
    task.to(conduct.process.device)
    sampler = ShuffledSampler(len(rows), recipe.batch_size, recipe.seed)
    batches = ImageBatches(pixels, rows, np.full(len(rows), UNLABELLED, np.int64), sampler, conduct.process.shard)
    outcome = run_whole(recipe, task, batches, conduct)
    return TrainedAutoencoder(task.autoencoder, task.preparation, outcome.reason)
