"""A linear head on frozen features with ImageNet weights, trained by any loss and evaluated by a protocol, in seconds.

Every loss has the same updates, the same rate and batches of the same size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from models.data.samplers import Indices, ShuffledSampler
from models.evaluation.evaluate import evaluate
from models.evaluation.protocols import Protocol
from models.losses.build import build_loss
from models.losses.configs import LossConfig
from models.papers.frozen_features import FrozenFeatures, read_features
from models.papers.results import Cell, Context
from models.training.loop.seeds import seed_everything
from models.training.recipes.named_recipes import RECIPES
from models.training.recipes.recipe import Recipe
from models.training.tasks.metric_learning import UNLABELLED_SEED, labelled_sampler

SEEDS = 3
UPDATES, BATCH, RATE, DECAY, DIMENSION = 1500, 128, 1e-3, 1e-4, 128
WHAT_WAS_RUN = (
    f"Run: EfficientNet-Lite0 with ImageNet weights at 192 px, frozen; a linear head to {DIMENSION} dimensions, {UPDATES} "
    f"updates of {BATCH} labelled images (HR-S2DML: and as many unlabelled ones) in four augmented views, AdamW at {RATE:g} "
    f"(cosine) for every loss, up to {SEEDS} seeds (mean and deviation), each with a split of its own. No value was tuned."
)


def head_recipe(name: str, seed: int, loss: LossConfig | None = None) -> Recipe:
    """The named recipe with the settings of all heads; loss: instead of the recipe's."""
    base = RECIPES[name]
    changes: dict[str, Any] = {"batch_size": BATCH, "dim": DIMENSION, "seed": seed}
    if loss is not None:
        changes["loss"] = loss
    if base.samples_per_class:
        changes["samples_per_class"] = 4  # so that every batch has all 30 classes
    if base.unlabelled_batch_size:
        changes["unlabelled_batch_size"] = BATCH
    return Recipe.model_validate(base.model_dump() | changes)


def head_cell(key: str, data: str, protocol: Protocol, seed: int, recipe: Recipe | None) -> Cell:
    """The cell of a head; of the features themselves without a recipe. data: name of the data set's folder."""
    settings: dict[str, Any] = {"data": data, "fraction": protocol.train_fraction, "seed": seed}
    settings["backbone"] = "efficientnet-lite0, ImageNet"
    if recipe is not None:
        loss = recipe.loss.model_dump(mode="json")
        settings |= {"loss": loss, "updates": UPDATES, "batch": BATCH, "rate": RATE, "decay": DECAY, "dimension": DIMENSION}
    return Cell(key, settings, lambda context: _measure(context, data, protocol, seed, recipe))


def _measure(context: Context, data: str, protocol: Protocol, seed: int, recipe: Recipe | None) -> dict[str, Any]:
    features = read_features(context, data, protocol.train_fraction, seed)
    material = features.material
    embeddings = _unit(features.plain)
    if recipe is not None:
        head = train_head(features, recipe)
        with torch.no_grad():
            embeddings = _unit(head(torch.from_numpy(features.plain)).numpy())
    names = np.array(material.images.classes)[material.labels]
    found = evaluate(embeddings, names, protocol, material.train, material.test, seed=seed)
    return {"retrieval": found.retrieval.to_dict(), "clustering": found.clustering.to_dict()}


def train_head(features: FrozenFeatures, recipe: Recipe) -> nn.Linear:
    """Train a linear head, (F,) to (D,); every image of a batch is a random one of its views."""
    seed_everything(recipe.seed)
    rows, unlabelled = features.material.train, features.material.test
    labels = np.unique(features.material.labels[rows], return_inverse=True)[1].astype(np.int64)
    head = nn.Linear(features.plain.shape[1], recipe.dim)
    loss = build_loss(recipe.loss, num_classes=int(labels.max()) + 1, dim=recipe.dim, num_images=len(rows))
    sampler = labelled_sampler(recipe, labels)
    others = ShuffledSampler(len(unlabelled), BATCH, recipe.seed + UNLABELLED_SEED)
    optimiser = torch.optim.AdamW([*head.parameters(), *loss.parameters()], lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, UPDATES)
    random = np.random.default_rng(recipe.seed)
    for step in range(UPDATES):
        chosen = sampler.indices(step)
        arguments = [
            functional.normalize(head(_views(features.views, rows[chosen], random)), dim=1),
            torch.from_numpy(labels[chosen]),
        ]
        if recipe.loss.inputs == "joint":
            arguments.append(head(_views(features.views, unlabelled[others.indices(step)], random)))
        elif recipe.loss.inputs == "indexed":
            arguments.append(torch.from_numpy(chosen))
        optimiser.zero_grad()
        loss(*arguments).backward()
        optimiser.step()
        schedule.step()
    return head.eval()


def _views(views: NDArray[np.float32], rows: Indices, random: np.random.Generator) -> torch.Tensor:
    return torch.from_numpy(views[random.integers(0, len(views), len(rows)), rows])


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)
