"""Training of the default encoder: two data sets together, in stages of increasing image size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from models.data.samplers import Indices
from models.data.statistics import band_statistics
from models.runs.inputs.material import Material
from models.runs.networks.run_options import RunOptions
from models.runs.networks.train_embedder import TrainedEncoder, TrainingImages, train_embedder
from models.runs.networks.validation import validation_map
from models.training.loop.callbacks import Callback
from models.training.recipes.named_recipes import RECIPES
from models.training.recipes.recipe import Recipe

SAME_CLASS: Mapping[str, str] = MappingProxyType(
    {
        "agricultural": "Farmland",
        "baseballdiamond": "BaseballField",
        "beach": "Beach",
        "denseresidential": "DenseResidential",
        "forest": "Forest",
        "harbor": "Port",
        "mediumresidential": "MediumResidential",
        "overpass": "Viaduct",
        "parkinglot": "Parking",
        "river": "River",
        "sparseresidential": "SparseResidential",
        "storagetanks": "StorageTanks",
    }
)
"""UC Merced classes that AID has too. Classes from two sensors teach an encoder to ignore the sensor."""

STAGES = ((64, 18, 0.05), (96, 11, 0.04), (128, 9, 0.025))
"""(pixels per side, epochs, learning rate): stages with small images cost a fourth, and later stages keep what they learned."""

REPEATS: Mapping[str, int] = MappingProxyType({"ucmerced": 2})
"""Number of times that each image of a small data set appears in an epoch."""


def stage_recipes(base: Recipe | None = None, stages: tuple[tuple[int, int, float], ...] = STAGES) -> list[Recipe]:
    """One recipe a stage; base: None for the recipe "default"."""
    recipe = base or RECIPES["default"]
    return [recipe.model_copy(update={"image_size": size, "epochs": epochs, "lr": lr}) for size, epochs, lr in stages]


def train_in_stages(
    material: Material,
    recipes: Sequence[Recipe],
    cache: Path,
    folder: Path,
    *,
    rows: Indices | None = None,
    callbacks: Callable[[Recipe], list[Callback]] = lambda _: [],
) -> TrainedEncoder:
    """Train on `material`, each recipe at its image size and starting from the weights of the previous one.

    rows: of the training images, None for all of `material.train`. cache: of decoded images. folder: of checkpoints, one
    sub-folder a stage, from which an interrupted run resumes.
    """
    chosen = material.train if rows is None else rows
    repeated = np.concatenate([np.repeat(material.of(name, chosen), REPEATS.get(name, 1)) for name in material.names])
    labels = np.unique(material.labels[repeated], return_inverse=True)[1].astype(np.int64)
    trained: TrainedEncoder | None = None
    for recipe in recipes:
        pixels = material.at_size(recipe.image_size, cache).pixels
        mean, std = band_statistics(pixels, chosen)
        images = TrainingImages(pixels, repeated, labels, np.zeros(0, np.int64), mean, std)
        trained = train_embedder(
            recipe,
            images,
            RunOptions(folder / f"{recipe.image_size}", callbacks(recipe), checkpoint_every=50),
            start=None if trained is None else trained.task,
            validate=validation_map(material, pixels),
            validate_every=3,
        )
    if trained is None:
        raise ValueError("give at least one recipe")
    return trained
