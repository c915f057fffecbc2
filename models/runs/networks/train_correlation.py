"""Train a correlation matcher on cached maps, within minutes on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data.samplers import Indices
from models.matcher.correlation import CorrelationMatcher
from models.matcher.kinds import PairNetwork
from models.matcher.quantise import Quantisation
from models.runs.networks.run_options import RunOptions
from models.runs.networks.train_matcher import fit_stored, train_matcher
from models.training.encoding import Encoded
from models.training.recipes.load import named_recipe
from models.training.recipes.recipe import Recipe

STEPS = 2000
_EPOCHS = 10


def train_correlation(
    views: Sequence[NDArray[np.float16]],
    labels: Indices,
    embeddings: NDArray[np.float32],
    *,
    descriptor_dim: int,
    seed: int = 0,
    steps: int = STEPS,
    recipe: Recipe | None = None,
    options: RunOptions | None = None,
    folder: Path | None = None,
) -> tuple[CorrelationMatcher, Quantisation]:
    """Train a matcher, and fit the quantisation of its descriptors to the first view.

    views: (T, C, h, w) each, at least two: maps of the same T images, the first one without augmentation. labels: (T,) int64.
    embeddings: (T, D) float32, L2-normalised, in which hard pairs are mined. descriptor_dim: K, with K h w at most 2 048.
    steps: updates. recipe: None for `correlation-matcher`; seed and steps replace its own. options, folder: of a resumable run,
    None for none.

    Raises:
        ValueError: the arguments do not fit together. TypeError: the recipe is of another matcher.
        CheckpointError, DivergedError: see `Loop.run`.
    """
    base = named_recipe("correlation-matcher") if recipe is None else recipe
    run = options or RunOptions(folder)
    network, stored = train_on_maps(base, views, labels, embeddings, run, hidden=descriptor_dim, seed=seed, steps=steps)
    if not isinstance(network, CorrelationMatcher):
        raise TypeError(f"the recipe {base.name!r} has block {base.block!r}, not 'correlation'")
    return network, stored


def train_on_maps(
    recipe: Recipe,
    views: Sequence[NDArray[np.float16]],
    labels: Indices,
    embeddings: NDArray[np.float32],
    options: RunOptions,
    *,
    hidden: int | None = None,
    seed: int = 0,
    steps: int = STEPS,
) -> tuple[PairNetwork, Quantisation]:
    """Train the matcher of any recipe; the other arguments and errors are those of `train_correlation` and `train_matcher`."""
    epochs = min(_EPOCHS, steps)
    chosen = recipe.model_copy(update={"seed": seed, "epochs": epochs, "steps_per_epoch": max(1, steps // epochs)})
    encoded = [Encoded(embeddings, maps) for maps in views]
    network = train_matcher(chosen, encoded, labels, options, hidden=hidden)
    return network, fit_stored(network, views[0])
