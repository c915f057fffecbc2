"""All losses on one protocol with ImageNet weights: a linear head on frozen features of AID, 5 and 20 % labelled.

Protocol B of HR-S2DML, with its four methods and the library's other losses. The paper trains the whole network; here the trunk
is frozen, so that a run takes seconds. Every loss has the same updates, the same rate and batches of the same size.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from models.data.samplers import Indices, ShuffledSampler
from models.evaluation.evaluate import evaluate
from models.evaluation.protocols import hr_s2dml
from models.losses.build import build_loss
from models.losses.configs import HrS2dmlConfig
from models.papers import protocol_b
from models.papers.frozen_features import FrozenFeatures, read_features
from models.papers.markdown import markdown_table, number
from models.papers.results import Cell, Context, Results
from models.papers.seed_cells import seeded, shown, values
from models.training.loop.seeds import seed_everything
from models.training.recipes.named_recipes import RECIPES
from models.training.recipes.recipe import Recipe
from models.training.tasks.metric_learning import UNLABELLED_SEED, labelled_sampler

DATA, SEEDS, FRACTIONS = "aid", 3, (0.05, 0.20)
UPDATES, BATCH, RATE, DECAY, DIMENSION = 1500, 128, 1e-3, 1e-4, 128

LOSSES: Mapping[str, str] = MappingProxyType(
    {
        "hr-s2dml": "HR-S2DML",
        "hr-s2dml-unit": "HR-S2DML, unit vectors in eq. 6",
        "d-cnn": "D-CNN",
        "triplet": "Triplet",
        "nsl": "NSL",
        "nsl-margin": "NSL with margin",
        "robust-nsl": "Robust NSL",
        "sphereface": "SphereFace",
        "contrastive": "Contrastive",
        "similarity-retention": "Similarity retention (SRL)",
        "snca": "SNCA",
        "proxy-nca": "Proxy-NCA",
        "proxy-anchor": "Proxy-Anchor",
        "hard-mining": "Hard mining",
    }
)
UNTRAINED = "untrained"
"""The features themselves, without a head."""


def cells(scale: str) -> list[Cell]:
    """Each share, seed and loss: `frozen-5-nsl-seed0` and so on; the same at both scales."""
    del scale
    return [_cell(name, fraction, seed) for fraction in FRACTIONS for seed in range(SEEDS) for name in (UNTRAINED, *LOSSES)]


def recipe_of(name: str, seed: int) -> Recipe:
    """The named recipe with the settings of this table."""
    base = RECIPES[name.removesuffix("-unit")]
    changes: dict[str, Any] = {"batch_size": BATCH, "dim": DIMENSION, "seed": seed}
    if name.endswith("-unit"):
        changes["loss"] = HrS2dmlConfig(rank_features="unit")
    if base.samples_per_class:
        changes["samples_per_class"] = 4  # so that every batch has all 30 classes
    if base.unlabelled_batch_size:
        changes["unlabelled_batch_size"] = BATCH
    return Recipe.model_validate(base.model_dump() | changes)


def _cell(name: str, fraction: float, seed: int) -> Cell:
    settings: dict[str, Any] = {"data": DATA, "fraction": fraction, "seed": seed, "backbone": "efficientnet-lite0, ImageNet"}
    if name != UNTRAINED:
        loss = recipe_of(name, seed).loss.model_dump(mode="json")
        settings |= {"loss": loss, "updates": UPDATES, "batch": BATCH, "rate": RATE, "decay": DECAY, "dimension": DIMENSION}
    return Cell(seeded(prefix(fraction, name), seed), settings, lambda context: _measure(context, name, fraction, seed))


def _measure(context: Context, name: str, fraction: float, seed: int) -> dict[str, Any]:
    features = read_features(context, DATA, fraction, seed)
    material = features.material
    embeddings = _unit(features.plain)
    if name != UNTRAINED:
        head = train_head(features, recipe_of(name, seed))
        with torch.no_grad():
            embeddings = _unit(head(torch.from_numpy(features.plain)).numpy())
    names = np.array(material.images.classes)[material.labels]
    found = evaluate(embeddings, names, hr_s2dml(fraction), material.train, material.test, seed=seed)
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


def prefix(fraction: float, name: str) -> str:
    """The key of the cells of a share and a loss, without the seed."""
    return f"frozen-{round(100 * fraction)}-{name}"


def render(results: Results) -> str:
    """One table for each share: all losses, the paper's values beside ours, and the order of the paper's methods."""
    parts = [_CAPTION]
    for fraction in FRACTIONS:
        if results.measured() and not any(values(results, prefix(fraction, name), _ACCURACY) for name in (UNTRAINED, *LOSSES)):
            missing = f"frozen-{round(100 * fraction)}-*"
            parts.append(f"{round(100 * fraction)} % labelled: not run yet (`make results ARGS=\"--only '{missing}'\"`).")
            continue
        rows = [[title, *_row(results, fraction, name)] for name, title in {UNTRAINED: "No head", **LOSSES}.items()]
        parts.append(markdown_table([f"{round(100 * fraction)} % labelled", *_HEAD], rows))
    return "\n\n".join([*parts, *_order(results)])


_ACCURACY = protocol_b.MEASURES["knn"][1]
_HEAD = [text for title, _ in protocol_b.MEASURES.values() for text in (title, "the paper")]
_CAPTION = (
    f"Run: EfficientNet-Lite0 with ImageNet weights at 192 px, frozen; a linear head to {DIMENSION} dimensions, {UPDATES} "
    f"updates of {BATCH} labelled images (HR-S2DML: and as many unlabelled ones) in four augmented views, AdamW at {RATE:g} "
    f"(cosine) for every loss, up to {SEEDS} seeds (mean and deviation), each with a split of its own. No value was tuned. The "
    "paper trains all layers of its network."
)


def _row(results: Results, fraction: float, name: str) -> list[str]:
    found = []
    for measure, (_, pick) in protocol_b.MEASURES.items():
        found += [shown(results, prefix(fraction, name), pick), number(protocol_b.published(measure, name, fraction))]
    return found


def _order(results: Results) -> list[str]:
    lines = []
    for fraction in FRACTIONS:
        found = {name: values(results, prefix(fraction, name), _ACCURACY) for name in protocol_b.METHODS}
        if all(found.values()):
            order = sorted(found, key=lambda name: -sum(found[name]) / len(found[name]))
            names = " > ".join(protocol_b.METHODS[name] for name in order)
            lines.append(f"- Order of the paper's methods by kNN at {round(100 * fraction)} %: {names}")
    return ["\n".join(lines)] if lines else []
