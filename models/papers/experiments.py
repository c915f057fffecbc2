"""Experiments: train an encoder on a data set and evaluate it by a protocol."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from models.backbones.registry import build_encoder
from models.data.samplers import Indices
from models.data.splits import flip_labels
from models.data.statistics import band_statistics
from models.evaluation.evaluate import evaluate
from models.evaluation.protocols import Protocol
from models.papers.results import Cell, Context
from models.runs.inputs.material import Material, load_material
from models.runs.networks.run_options import RunOptions
from models.runs.networks.train_embedder import TrainingImages, train_embedder
from models.training.loop.callbacks import Callback, EpochReport, Outcome
from models.training.loop.seeds import seed_everything
from models.training.recipes.augmentation import PAPER
from models.training.recipes.named_recipes import RECIPES
from models.training.recipes.recipe import Recipe

CHECKPOINT_EVERY = 50
"""Maximum number of updates lost when a run is killed."""

SMALL: Mapping[str, Any] = MappingProxyType(
    {
        "width": 32,
        "image_size": 64,
        "lr": 0.05,
        "schedule": "cosine",
        "warmup_epochs": 1,
        "weight_decay": 5e-4,
        "epochs": 15,
        "steps_per_epoch": 100,
        "batch_size": 64,
        "augment": PAPER.model_copy(update={"vertical_flip": 0.5, "quarter_turns": True}),
    }
)
"""Settings for two CPU cores and training from scratch; the published rate, 1e-3, is for fine-tuning ImageNet weights."""

_ALWAYS = {"name", "loss", "width", "image_size", "lr", "schedule", "epochs", "steps_per_epoch", "batch_size", "seed"}


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment.

    data: name of the data set's folder. recipe: its seed also splits the data; test images are the unlabelled ones of a recipe
    that uses unlabelled images. validation: share of all images, taken from the training images; if above 0, these query
    instead of the test images. flipped: share of training labels made wrong. imagenet: start from torchvision's weights, from
    its cache.
    """

    data: str
    protocol: Protocol
    recipe: Recipe
    validation: float = 0.0
    flipped: float = 0.0
    imagenet: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """All settings, as plain values; of the recipe those that differ from the defaults."""
        recipe = self.recipe.model_dump(mode="json", exclude_defaults=True) | self.recipe.model_dump(
            mode="json", include=_ALWAYS
        )
        own = {"validation": self.validation, "flipped": self.flipped, "imagenet": self.imagenet}
        return {"data": self.data, "protocol": self.protocol.name, "recipe": recipe, **own}


def experiment_cell(key: str, experiment: Experiment) -> Cell:
    """The cell of an experiment."""
    return Cell(key, experiment.settings, lambda context: _in_folder(context, key, experiment))


def sized(name: str, scale: str, seed: int, **changes: Any) -> Recipe:
    """A named recipe as published, or with the settings `SMALL` for the scale "small"; changes: of fields, at either scale."""
    recipe = RECIPES[name]
    small: dict[str, Any] = {}
    if scale == "small":
        small = dict(SMALL)
        if recipe.unlabelled_batch_size:
            small["unlabelled_batch_size"] = SMALL["batch_size"]
        if recipe.samples_per_class:
            small["samples_per_class"] = 4
    return Recipe.model_validate(recipe.model_dump() | small | {"seed": seed} | changes)


def run_folder(context: Context, key: str, settings: Mapping[str, Any]) -> Path:
    """Folder of a cell's checkpoints, different for other settings, so that no run resumes from another's checkpoint."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()
    return context.work / "runs" / f"{key}-{digest[:8]}"


class EpochMessages(Callback):
    """Outputs one line per epoch. updates: total number, after the run has ended."""

    def __init__(self, say: Callable[[str], None], name: str, epochs: int) -> None:
        self._say, self._name, self._epochs = say, name, epochs
        self.updates = 0

    def on_epoch(self, report: EpochReport) -> None:
        """Output a line."""
        done = f"{self._name}: epoch {report.epoch} of {self._epochs}"
        self._say(f"{done}, loss {report.losses['loss']:.3f}, {report.seconds:.0f} s")

    def on_end(self, outcome: Outcome) -> None:
        """Store the number of updates, including those before a resumption."""
        self.updates = outcome.step


def measure(experiment: Experiment, context: Context, folder: Path) -> dict[str, Any]:
    """Train and evaluate; folder: of the checkpoints, from which an interrupted run resumes.

    Returns the retrieval report, the clustering, and the cost: updates, and images in forward and backward passes.
    """
    recipe, protocol = experiment.recipe, experiment.protocol
    material = load_material(
        {experiment.data: context.data / experiment.data},
        recipe.image_size,
        context.cache,
        train_fraction=protocol.train_fraction,
        validation_fraction=experiment.validation,
        seed=recipe.seed,
    )
    images = _training_images(experiment, material)
    seed_everything(recipe.seed)
    encoder = build_encoder(recipe.backbone, dimension=recipe.dim, weights="cache") if experiment.imagenet else None
    teller = EpochMessages(context.say, recipe.name, recipe.epochs)
    started = time.monotonic()
    trained = train_embedder(recipe, images, RunOptions(folder, [teller], CHECKPOINT_EVERY), encoder=encoder)
    seconds = time.monotonic() - started
    embeddings = trained.embed(material.pixels, np.arange(len(material.images)))
    names = np.array(material.images.classes)[material.labels]
    asked = material.validation if experiment.validation else material.test
    found = evaluate(embeddings, names, protocol, material.train, asked, seed=recipe.seed)
    batch = min(recipe.batch_size, len(images.rows)) + min(recipe.unlabelled_batch_size, len(images.unlabelled))
    return {
        "retrieval": found.retrieval.to_dict(),
        "clustering": found.clustering.to_dict(),
        "labelled": len(images.rows),
        "updates": teller.updates,
        "images": teller.updates * recipe.accumulate * batch,
        "train_seconds": round(seconds, 1),
    }


def _training_images(experiment: Experiment, material: Material) -> TrainingImages:
    recipe, rows = experiment.recipe, material.train
    labels = material.labels[rows]
    if experiment.flipped:
        labels = flip_labels(labels, len(material.images.classes), experiment.flipped, recipe.seed)
    mean, std = band_statistics(material.pixels, rows)
    nothing: Indices = np.zeros(0, np.int64)
    unlabelled = material.test if recipe.unlabelled_batch_size else nothing
    return TrainingImages(material.pixels, rows, labels, unlabelled, mean, std)


def _in_folder(context: Context, key: str, experiment: Experiment) -> dict[str, Any]:
    folder = run_folder(context, key, experiment.settings)
    values = measure(experiment, context, folder)
    shutil.rmtree(folder, ignore_errors=True)
    return values
