"""Rows of Table II by a network with ImageNet weights: EfficientNet-Lite0, untouched, or its upper part taught the classes.

The paper's supervised rows begin with ImageNet weights, too; those of its architectures cannot be had here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.backbones.two_layer_encoder import TwoLayerEncoder
from models.papers.protocol_a.features import Bench, Features
from models.runs.bundled.bundle_maps import BundleMaps, compute_maps
from models.runs.bundled.plan import OPEN, Plan
from models.runs.bundled.train_encoder import embed, places, pooled, start_encoder, train_upper
from models.training.encoding import Encoded

PLAN = replace(OPEN, same_class={})
"""Settings and maps of the open bundle."""


def imagenet(bench: Bench, *, taught: bool, plan: Plan = PLAN) -> Features:
    """taught: by the labels of the training images, with the class head's embedding; else the pooled last map.

    The maps for a matcher are those of the middle layer, which both networks share.
    """
    plan = replace(plan, train_fraction=bench.fraction)
    maps = compute_maps(plan, bench.context.data, bench.context.work, Console(stderr=True))
    material = maps.material
    everything = np.arange(len(material.labels))
    if taught:
        encoder = _taught(bench, plan, maps)
        vectors = embed(encoder, maps.plain, everything)
    else:
        encoder = start_encoder(plan.dimension)
        vectors = _centred(pooled(encoder, maps.plain, everything)[0].numpy(), material.train)
    whole = Encoded(vectors, places(encoder, maps.plain))
    views = [maps.plain, *maps.pairs]
    training = tuple(Encoded(vectors[material.train], places(encoder, view[material.train])) for view in views)
    return Features(material, whole, training)


def settings(plan: Plan = PLAN, *, taught: bool) -> dict[str, Any]:
    """What the row depends on."""
    weights = {"weights": "EfficientNet-Lite0, ImageNet-1k", "input_size": plan.input_size}
    return {**weights, "encoder": plan.recipe, "distance": plan.distance, "augmented_views": plan.views} if taught else weights


def _taught(bench: Bench, plan: Plan, maps: BundleMaps) -> TwoLayerEncoder:
    material = maps.material
    labels = material.labels[material.train]
    trained = train_upper(plan, maps.training, material.train, labels, bench.run("imagenet", plan.recipe))
    return trained.fit(maps.plain, material.train, share=1.0, balance=1.0)


def _centred(vectors: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Unit vectors about the mean of the images `rows`."""
    moved = vectors - vectors[rows].mean(axis=0)
    found: NDArray[np.float32] = moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-6)
    return found
