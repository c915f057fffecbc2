"""Train an autoencoder by a recipe, on images whose labels nobody needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.backbones.autoencoder import Autoencoder
from models.data.batches import ImageBatches
from models.data.folders import UNLABELLED
from models.data.samplers import Indices, ShuffledSampler
from models.data.statistics import band_statistics
from models.runs.whole import run_whole
from models.training.augmenting import Preparation
from models.training.autoencoding import autoencoding_task
from models.training.callbacks import Callback
from models.training.distributed import Process
from models.training.recipe import Recipe
from models.training.seeds import seed_everything


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
    *,
    folder: Path | None = None,
    start: Autoencoder | None = None,
    callbacks: Sequence[Callback] = (),
    checkpoint_every: int = 0,
    process: Process | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrainedAutoencoder:
    """Run a recipe of task "autoencoder" on the images `pixels[rows]`, normalised by their own bands' statistics.

    pixels: (N, S, S, B) uint8, S a multiple of the encoder's reduction. folder: see `run_whole`. start: an autoencoder of the
    same shape whose weights this one begins with (fine-tuning); it stays as it is.

    Raises:
        ValueError: the recipe trains no autoencoder, or the images do not fit. CheckpointError, DivergedError: see `Loop.run`.
    """
    process = process or Process(torch.device("cpu"))
    seed_everything(recipe.seed)
    mean, std = band_statistics(pixels, rows)
    task = autoencoding_task(recipe, mean=mean, std=std)
    if start is not None:
        task.autoencoder.load_state_dict(start.state_dict())
    task.to(process.device)
    sampler = ShuffledSampler(len(rows), recipe.batch_size, recipe.seed)
    batches = ImageBatches(pixels, rows, np.full(len(rows), UNLABELLED, np.int64), sampler, process.shard)
    outcome = run_whole(
        recipe,
        task,
        batches,
        folder=folder,
        callbacks=callbacks,
        checkpoint_every=checkpoint_every,
        process=process,
        should_stop=should_stop,
    )
    return TrainedAutoencoder(task.autoencoder, task.preparation, outcome.reason)
