"""Pooled features of a data set by EfficientNet-Lite0 with ImageNet weights, of several augmented views, kept in files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.papers.results import Context
from models.runs.bundled.bundle_maps import read_views
from models.runs.bundled.plan import RESEARCH, SOURCE_SIZE, Plan
from models.runs.bundled.train_encoder import pooled, start_encoder
from models.runs.inputs.material import Material, load_material


@dataclass(frozen=True, slots=True)
class FrozenFeatures:
    """material: the images. views: (V, N, F) float32, of the augmented views. plain: (N, F), of the images as they are.

    F joins the mean of the last map with mean and deviation of the middle map, each part centred on the training images and
    L2-normalised.
    """

    material: Material
    views: NDArray[np.float32]
    plain: NDArray[np.float32]


def read_features(context: Context, data: str, fraction: float, seed: int) -> FrozenFeatures:
    """The features of a data set, with a split; computed once, and on the maps that the training of bundles keeps.

    fraction: share of training images.
    """
    plan = replace(RESEARCH, sets=(data,), train_fraction=fraction)
    material = load_material({data: context.data / data}, SOURCE_SIZE, context.cache, train_fraction=fraction, seed=seed)
    files = _files(plan, material, context)
    parts = [np.load(file) for file in files]
    train = material.train
    centres = np.mean([part[train].astype(np.float32) for part in parts[:-1]], axis=(0, 1))
    plain, *views = (_prepared(part, centres) for part in (parts[-1], *parts[:-1]))
    return FrozenFeatures(material, np.stack(views), plain)


LAST = 1280
"""Channels of the last map, which come first in a feature."""


def _prepared(features: NDArray[np.float16], centres: NDArray[np.float32]) -> NDArray[np.float32]:
    rows = features.astype(np.float32) - centres
    for part in (slice(None, LAST), slice(LAST, None)):
        rows[:, part] /= np.maximum(np.linalg.norm(rows[:, part], axis=1, keepdims=True), 1e-6)
    return rows


def _files(plan: Plan, material: Material, context: Context) -> list[Path]:
    """The files of the augmented views, and of the plain one at the end."""
    views = [*plan.training_views, plan.plain]
    files = [context.work / "features" / f"{plan.sets[0]}-{view.name}.npy" for view in views]
    missing = [(view, file) for view, file in zip(views, files, strict=True) if not file.exists()]
    if not missing:
        return files
    encoder = start_encoder(plan.dimension)
    maps = read_views(plan, [view for view, _ in missing], material, context.work, Console(stderr=True))
    for (view, file), each in zip(missing, maps, strict=True):
        context.say(f"features of {view.name}")
        found = np.concatenate([part.numpy() for part in pooled(encoder, each, np.arange(len(each)))], axis=1)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.with_suffix(".part").open("wb") as stream:
            np.save(stream, found.astype(np.float16))
        file.with_suffix(".part").replace(file)
    return files
