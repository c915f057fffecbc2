"""The loss on validation images, which early stopping watches for networks that have no mAP of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from models.data.batches import Batches, ImageBatch, ImageBatches
from models.data.folders import UNLABELLED
from models.data.samplers import Indices, ShuffledSampler
from models.training.loop.task import BatchT, Task
from models.training.recipes.recipe import Recipe
from models.training.tasks.matching import PairBatch, PairBatches

VALIDATION_LOSS = "validation_loss"
_PAIR_BATCHES = 8


def measure_loss(task: Task[BatchT], batches: Batches[BatchT], count: int) -> Callable[[], Mapping[str, float]]:
    """A function that returns the task's mean loss over its first `count` batches, the same ones in every call.

    The task is in evaluation mode, in which images are not augmented.
    """

    @torch.no_grad()
    def measure() -> dict[str, float]:
        device = next(task.parameters()).device
        losses = [float(task.step(batches.batch(step).to(device))["loss"]) for step in range(count)]
        return {VALIDATION_LOSS: float(np.mean(losses))}

    return measure


def image_loss(
    recipe: Recipe, task: Task[ImageBatch], pixels: NDArray[np.uint8], rows: Indices | None
) -> Callable[[], Mapping[str, float]] | None:
    """`measure_loss` on the images `pixels[rows]` without labels; None without rows, or if the recipe does not stop early."""
    if recipe.patience is None or rows is None or not len(rows):
        return None
    sampler = ShuffledSampler(len(rows), min(recipe.batch_size, len(rows)), recipe.seed)
    batches = ImageBatches(pixels, rows, np.full(len(rows), UNLABELLED, np.int64), sampler)
    return measure_loss(task, batches, batches.steps_per_epoch)


def pair_loss(
    recipe: Recipe,
    task: Task[PairBatch],
    views: Sequence[NDArray[np.float16] | NDArray[np.uint8]],
    labels: Indices,
    embeddings: NDArray[np.float32],
) -> Callable[[], Mapping[str, float]] | None:
    """`measure_loss` on pairs of images, drawn by the recipe; None if they give no pairs, or if it does not stop early.

    views, labels, embeddings: as of `PairBatches`.
    """
    counts = np.unique(labels, return_counts=True)[1]
    if recipe.patience is None or len(counts) < 2 or counts.max(initial=0) < 2:
        return None
    batches = PairBatches(recipe, views, labels, embeddings)
    return measure_loss(task, batches, _PAIR_BATCHES)
