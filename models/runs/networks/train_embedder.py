"""Train an encoder by a recipe; used by `dyad train`, the default bundle and the papers' tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import nn

from models.backbones.encoder import Encoder
from models.data.batches import Batches, ImageBatch, JointBatch
from models.data.samplers import Indices, Shard
from models.runs.networks.run_loop import run_loop
from models.runs.networks.run_options import RunOptions
from models.training.encoding import encode_images
from models.training.loop.seeds import seed_everything
from models.training.loop.task import Task
from models.training.recipes.recipe import Recipe
from models.training.tasks.metric_learning import (
    EmbeddingTask,
    JointTask,
    embedding_task,
    joint_batches,
    joint_task,
    labelled_batches,
)
from models.training.transforms import Preparation


@dataclass(frozen=True, slots=True)
class TrainingImages:
    """Images of a training run.

    pixels: (N, S, S, B) uint8. rows, labels: (T,) int64, the labelled ones; labels from 0. unlabelled: (U,) int64 rows, may
    be empty. mean, std: of the bands of the training images, 0..1 scale.
    """

    pixels: NDArray[np.uint8]
    rows: Indices
    labels: Indices
    unlabelled: Indices
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def classes(self) -> int:
        """Number of classes of the labelled images."""
        return int(self.labels.max()) + 1


@dataclass(frozen=True, slots=True)
class TrainedEncoder:
    """A trained encoder, its task (with other weights, such as class prototypes, for a next run), and why the run ended."""

    task: nn.Module
    encoder: Encoder
    preparation: Preparation
    reason: str

    def embed(self, pixels: NDArray[np.uint8], rows: Indices) -> NDArray[np.float32]:
        """(M, D) float32, L2-normalised embeddings of `pixels[rows]`."""
        device = self.encoder.head.weight.device
        return encode_images(self.encoder, self.preparation, pixels, rows, device=device).embeddings


def train_embedder(
    recipe: Recipe,
    images: TrainingImages,
    options: RunOptions,
    *,
    start: nn.Module | None = None,
    encoder: Encoder | None = None,
    validate: Callable[[TrainedEncoder], Mapping[str, float]] | None = None,
    validate_every: int = 1,
    watch: str | None = None,
) -> TrainedEncoder:
    """Run a recipe of task "embedding" to its end.

    start: the task of an earlier run to continue from. encoder: to start from instead, for example with pretrained weights.
    validate: measures the encoder in evaluation mode, every `validate_every` epochs; watch: the metric of early stopping,
    higher is better, None for the loss.

    Raises:
        ValueError: recipe and images do not fit. CheckpointError, DivergedError: see `Loop.run`.
    """
    seed_everything(recipe.seed)
    task, batches = _task_and_batches(recipe, images, encoder, options.process.shard)
    task.to(options.process.device)
    if start is not None:
        task.load_state_dict(start.state_dict())
    trained = TrainedEncoder(task, task.encoder, task.preparation, "running")
    outcome = run_loop(
        recipe,
        cast("Task[Any]", task),
        batches,
        options,
        validate=None if validate is None else lambda: validate(trained),
        validate_every=validate_every,
        watch=watch,
    )
    return replace(trained, reason=outcome.reason)


def _task_and_batches(
    recipe: Recipe, images: TrainingImages, encoder: Encoder | None, shard: Shard
) -> tuple[EmbeddingTask, Batches[ImageBatch]] | tuple[JointTask, Batches[JointBatch]]:
    classes, mean, std = images.classes, images.mean, images.std
    if recipe.loss.inputs == "joint":
        joint = joint_batches(recipe, images.pixels, images.rows, images.labels, images.unlabelled, shard)
        return joint_task(recipe, classes=classes, mean=mean, std=std, encoder=encoder), joint
    task = embedding_task(recipe, classes=classes, images=len(images.rows), mean=mean, std=std, encoder=encoder)
    return task, labelled_batches(recipe, images.pixels, images.rows, images.labels, shard)
