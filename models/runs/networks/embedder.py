"""Train an encoder by a recipe: the one path that `dyad train`, the default bundle and every table take."""

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
from models.runs.networks.conduct import Conduct
from models.runs.networks.whole import run_whole
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
    """What a run trains on.

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
        """How many classes the labelled images have."""
        return int(self.labels.max()) + 1


@dataclass(frozen=True, slots=True)
class TrainedEncoder:
    """The task after its run, whose other weights (prototypes, say) a next run may go on with, and how it ended."""

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
    conduct: Conduct,
    *,
    start: nn.Module | None = None,
    encoder: Encoder | None = None,
    validate: Callable[[TrainedEncoder], Mapping[str, float]] | None = None,
    validate_every: int = 1,
    watch: str | None = None,
) -> TrainedEncoder:
    """Run a recipe of task "embedding" to its end.

    start: the task of an earlier run, whose weights this
    one begins with. encoder: to begin with instead, for example one with weights from elsewhere. validate: measures the
    encoder in evaluation mode, every `validate_every` epochs; watch: the measure that early stopping follows, higher is
    better, None for the loss.

    Raises:
        ValueError: recipe and images do not fit. CheckpointError, DivergedError: see `Loop.run`.
    """
    seed_everything(recipe.seed)
    task, batches = _task_and_batches(recipe, images, encoder, conduct.process.shard)
    task.to(conduct.process.device)
    if start is not None:
        task.load_state_dict(start.state_dict())
    trained = TrainedEncoder(task, task.encoder, task.preparation, "running")
    outcome = run_whole(
        recipe,
        cast("Task[Any]", task),
        batches,
        conduct,
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
