"""Training of an encoder by a loss over its embeddings: supervised, or also with unlabelled images (HR-S2DML, algorithm 1)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.backbones.encoder import Encoder
from models.backbones.registry import build_encoder
from models.data.batches import Batches, ImageBatch, ImageBatches, JointBatch, JointBatches
from models.data.folders import UNLABELLED
from models.data.samplers import BalancedSampler, Indices, Sampler, Shard, ShuffledSampler
from models.losses.build import build_loss
from models.training.loop.task import Task
from models.training.recipes.recipe import Recipe
from models.training.transforms import Preparation

UNLABELLED_SEED = 0x0_0F_F5E7
"""Added to the seed, so that labelled and unlabelled images are drawn independently."""


class EmbeddingTask(Task[ImageBatch]):
    """Supervised: `loss(embeddings, labels)`, with the images' indices for losses with a memory bank."""

    def __init__(self, encoder: Encoder, loss: nn.Module, preparation: Preparation, *, is_indexed: bool = False) -> None:
        """loss: called in float32. is_indexed: whether it takes indices as its third argument."""
        super().__init__()
        self.preparation, self.encoder, self.loss = preparation, encoder, loss
        self._is_indexed = is_indexed

    def step(self, batch: ImageBatch) -> dict[str, Tensor]:
        """The loss of N images."""
        embeddings = self.encoder(self.preparation(batch.images)).embedding
        with torch.autocast(embeddings.device.type, enabled=False):
            arguments = (embeddings, batch.labels, batch.indices) if self._is_indexed else (embeddings, batch.labels)
            return {"loss": self.loss(*arguments)}


class JointTask(Task[JointBatch]):
    """Semi-supervised: `loss(embeddings, labels, unlabelled features)`, equation 7 of HR-S2DML."""

    def __init__(self, encoder: Encoder, loss: nn.Module, preparation: Preparation) -> None:
        super().__init__()
        self.preparation, self.encoder, self.loss = preparation, encoder, loss

    def step(self, batch: JointBatch) -> dict[str, Tensor]:
        """The loss of N labelled and M unlabelled images."""
        # one pass over both, so that batch norm sees them as one batch
        images = torch.cat((batch.labelled.images, batch.unlabelled.images))
        encoded, count = self.encoder(self.preparation(images)), len(batch.labelled)
        unlabelled = self.encoder.project_unnormalised(encoded.feature[count:])
        with torch.autocast(unlabelled.device.type, enabled=False):
            return {"loss": self.loss(encoded.embedding[:count], batch.labelled.labels, unlabelled)}


def embedding_task(
    recipe: Recipe,
    *,
    classes: int,
    images: int,
    mean: Sequence[float],
    std: Sequence[float],
    encoder: Encoder | None = None,
) -> EmbeddingTask:
    """The supervised task of a recipe, initialised from torch's global generator.

    classes, images: C and T of the labelled training set. mean, std: of its bands, 0..1 scale. encoder: to continue with, for
    example after self-supervision; None builds a new one.

    Raises:
        ValueError: the recipe's loss does not take embeddings and labels, or its parts do not fit.
    """
    if recipe.loss.inputs not in ("labelled", "indexed"):
        raise ValueError(f"the loss {recipe.loss.name!r} of {recipe.name!r} does not take embeddings and labels")
    encoder = encoder or recipe_encoder(recipe)
    _freeze(encoder, recipe)
    loss = build_loss(recipe.loss, num_classes=classes, dim=encoder.dimension, num_images=images)
    is_indexed = recipe.loss.inputs == "indexed"
    return EmbeddingTask(encoder, loss, Preparation(mean, std, recipe.augment), is_indexed=is_indexed)


def joint_task(
    recipe: Recipe, *, classes: int, mean: Sequence[float], std: Sequence[float], encoder: Encoder | None = None
) -> JointTask:
    """The semi-supervised task of a recipe; arguments as of `embedding_task`.

    Raises:
        ValueError: the recipe's loss does not take unlabelled images, or its parts do not fit.
    """
    if recipe.loss.inputs != "joint":
        raise ValueError(f"the loss {recipe.loss.name!r} of {recipe.name!r} does not take unlabelled images")
    encoder = encoder or recipe_encoder(recipe)
    _freeze(encoder, recipe)
    loss = build_loss(recipe.loss, num_classes=classes, dim=encoder.dimension, num_images=0)
    return JointTask(encoder, loss, Preparation(mean, std, recipe.augment))


def labelled_batches(
    recipe: Recipe, pixels: NDArray[np.uint8], rows: Indices, labels: Indices, shard: Shard | None = None
) -> ImageBatches:
    """Batches of the labelled images `pixels[rows]`, class-balanced if the recipe has samples_per_class.

    pixels: (N, S, S, B) uint8. rows, labels: (T,) int64. With fewer classes than fit in a batch, every batch has all classes.
    """
    return ImageBatches(pixels, rows, labels, labelled_sampler(recipe, labels), shard)


def labelled_sampler(recipe: Recipe, labels: Indices) -> Sampler:
    """The sampler of (T,) labelled images."""
    if recipe.samples_per_class:
        classes = min(recipe.batch_size // recipe.samples_per_class, len(np.unique(labels)))
        return BalancedSampler(labels, classes, recipe.samples_per_class, recipe.seed)
    return ShuffledSampler(len(labels), recipe.batch_size, recipe.seed)


def joint_batches(
    recipe: Recipe,
    pixels: NDArray[np.uint8],
    rows: Indices,
    labels: Indices,
    unlabelled_rows: Indices,
    shard: Shard | None = None,
) -> Batches[JointBatch]:
    """Labelled batches, each with an unlabelled batch of `pixels[unlabelled_rows]`.

    An epoch is a pass over the unlabelled images, in which the fewer labelled ones are repeated.
    """
    labelled = labelled_batches(recipe, pixels, rows, labels, shard)
    sampler = ShuffledSampler(len(unlabelled_rows), recipe.unlabelled_batch_size, recipe.seed + UNLABELLED_SEED)
    nothing = np.full(len(unlabelled_rows), UNLABELLED, np.int64)
    unlabelled = ImageBatches(pixels, unlabelled_rows, nothing, sampler, shard)
    return JointBatches(labelled, unlabelled, epoch_of="unlabelled")


def recipe_encoder(recipe: Recipe, weights: Path | None = None) -> Encoder:
    """The encoder of a recipe, initialised from torch's global generator. weights: file of the trunk's weights, None for none.

    Raises:
        ValueError: the backbone does not support the recipe's width or code. WeightsError: the weights do not fit.
    """
    return build_encoder(
        recipe.backbone, bands=recipe.bands, dimension=recipe.dim, width=recipe.width, latent=recipe.code, weights=weights
    )


def _freeze(encoder: Encoder, recipe: Recipe) -> None:
    if recipe.freeze:
        encoder.trunk.requires_grad_(False)
