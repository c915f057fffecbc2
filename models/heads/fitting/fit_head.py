"""Fit a head to labelled and unlabelled features, starting from the base model's head."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.heads.fitting.adam import Adam
from models.heads.fitting.joint_loss import JointLoss, Parameters, to_unit
from models.heads.head_recipe import HeadRecipe
from models.heads.linear_head import Head

_SMALLEST_DEVIATION = 1e-3
"""Minimum standard deviation of a channel, as a share of the largest: nearly constant channels are not amplified."""


class Examples(NamedTuple):
    """Training features. labelled: (L, F) float32. targets: (L, C) bool, at least one a row. unlabelled: (U, F) float32, U may
    be 0."""

    labelled: NDArray[np.float32]
    targets: NDArray[np.bool_]
    unlabelled: NDArray[np.float32]

    def take(self, rows: NDArray[np.integer[Any]]) -> Examples:
        """Some of the labelled rows, and all unlabelled ones."""
        return Examples(self.labelled[rows], self.targets[rows], self.unlabelled)


def fit_head(base: Head, examples: Examples, recipe: HeadRecipe, seed: int) -> Iterator[Head]:
    """Fit a head, and yield `recipe.rounds` heads on the straight line from the base model's head to it, itself the last.

    The first ones are the nearest to the base; a head before the end of the fit would not be, because the learning rate is high
    there. Equal seeds give equal heads. Classes without a labelled row are left out of the loss. The head is fitted to
    standardised features, whose channels have equal scale, and converted back.
    """
    random = np.random.default_rng(seed)
    examples = examples._replace(targets=examples.targets[:, examples.targets.any(axis=0)])
    scale = _Scale.of(examples)
    labelled, unlabelled = scale.apply(examples.labelled), scale.apply(examples.unlabelled)
    initial = scale.into(base)
    before = initial.project(unlabelled)
    parameters = Parameters(initial.weight.copy(), initial.bias.copy(), _prototypes(initial, labelled, examples.targets))
    loss = JointLoss(
        tau=recipe.tau,
        margin=recipe.margin,
        rankness=recipe.rankness,
        rank_tau=recipe.rank_tau,
        keep=recipe.keep,
        open_world=recipe.open_world,
        retain=recipe.retain,
    )
    adam = Adam(parameters)
    units = tuple(float(np.abs(each).mean()) for each in (initial.weight, initial.weight, parameters.prototypes))
    drawn = balanced_batches(examples.targets, recipe.labelled_batch, random)
    others = _endless(len(unlabelled), recipe.unlabelled_batch, random)
    for round_ in range(recipe.rounds):
        for step in range(recipe.steps):
            done = (round_ * recipe.steps + step) / (recipe.rounds * recipe.steps)
            rate = 0.5 * recipe.rate * (1 + np.cos(np.pi * done))
            ratio = recipe.prototype_rate / recipe.rate
            rows, more = next(drawn), next(others)
            _, gradients = loss(parameters, labelled[rows], examples.targets[rows], unlabelled[more], before[more])
            adam.step(gradients, (rate * units[0], rate * units[1], rate * ratio * units[2]))
    for round_ in range(1, recipe.rounds + 1):
        share = np.float32(round_ / recipe.rounds)
        weight = initial.weight + share * (parameters.weight - initial.weight)
        bias = initial.bias + share * (parameters.bias - initial.bias)
        yield scale.back(Head(weight, bias))


class _Scale(NamedTuple):
    """Standardisation. mean, deviation: (F,) float32, of the features."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    @classmethod
    def of(cls, examples: Examples) -> _Scale:
        """Of labelled and unlabelled features together."""
        features = np.concatenate([examples.labelled, examples.unlabelled])
        deviation = features.std(axis=0)
        floor = max(_SMALLEST_DEVIATION * float(deviation.max()), float(np.finfo(np.float32).tiny))
        return cls(features.mean(axis=0), np.maximum(deviation, np.float32(floor)))

    def apply(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return (features - self.mean) / self.deviation

    def into(self, head: Head) -> Head:
        """The head that gives for standardised features what `head` gives for the features."""
        return Head(head.weight * self.deviation, head.bias + head.weight @ self.mean)

    def back(self, head: Head) -> Head:
        """The inverse of `into`."""
        weight = head.weight / self.deviation
        return Head(weight, (head.bias - weight @ self.mean).astype(np.float32))


def _prototypes(head: Head, features: NDArray[np.float32], targets: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(C, D) unit rows: the mean direction of each class under the initial head."""
    embeddings = head.project(features)
    return to_unit(np.stack([embeddings[targets[:, each]].mean(axis=0) for each in range(targets.shape[1])])).rows


def balanced_batches(targets: NDArray[np.bool_], batch: int, random: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """Endless batches of row numbers with the same number of rows for every class, at least one.

    The rows of a class are drawn without replacement until all are used. targets: (L, C), each class with a row. batch: rows
    per batch, of which there are fewer if there are fewer rows.
    """
    share = -(-min(batch, len(targets)) // targets.shape[1])
    rows = [np.flatnonzero(own) for own in targets.T]
    orders = [np.zeros(0, np.intp) for _ in rows]
    while True:
        for label, own in enumerate(rows):
            while len(orders[label]) < share:
                orders[label] = np.concatenate([orders[label], random.permutation(own)])
        yield np.concatenate([order[:share] for order in orders])
        orders = [order[share:] for order in orders]


def _endless(count: int, batch: int, random: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """Endless batches of row numbers, reshuffled after each pass; empty batches if there are no rows."""
    while True:
        order = random.permutation(count)
        for start in range(0, max(count - batch, 0) + 1, batch):
            yield order[start : start + batch]
