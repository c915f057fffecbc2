from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.matcher.correlation import CorrelationMatcher
from models.runs.networks.run_options import RunOptions
from models.runs.networks.train_correlation import train_correlation
from models.training.loop.callbacks import Callback, StepReport
from models.training.recipes.load import named_recipe

CHANNELS, SIDE, IMAGES = 12, 3, 20
HIDDEN_CLASSES = 4


class _Losses(Callback):
    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_step(self, report: StepReport) -> None:
        self.losses.append(report.losses["loss"])


def toy(classes: int, seed: int) -> tuple[list[NDArray[np.float16]], NDArray[np.int64], NDArray[np.float32]]:
    """Two views of images: half of the places have the two textures of the class, in any order, the others are noise. The
    channels with the largest variance are noise, too, so that whitened descriptors are not enough."""
    random = np.random.default_rng(seed)
    textures = random.normal(size=(classes, 2, CHANNELS))
    textures[:, :, : CHANNELS // 2] = 0
    labels = np.repeat(np.arange(classes), IMAGES)
    places = random.normal(size=(len(labels), SIDE * SIDE, CHANNELS))
    for row, label in enumerate(labels):
        for place in random.permutation(SIDE * SIDE)[: SIDE * SIDE // 2]:
            places[row, place] += 2.5 * textures[label, random.integers(2)]
    views = []
    for _ in range(2):
        order = random.permutation(SIDE * SIDE)
        view = places[:, order] + 0.3 * random.normal(size=places.shape)
        views.append(view.transpose(0, 2, 1).reshape(-1, CHANNELS, SIDE, SIDE).astype(np.float16))
    means = places.mean(1)
    return views, labels, (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)


@torch.no_grad()
def auc(network: CorrelationMatcher, maps: NDArray[np.float16], labels: NDArray[np.int64]) -> float:
    """Probability that a matching pair has larger log-odds than another pair."""
    network.eval()
    tensors = torch.from_numpy(maps).float()
    logits = network.scores(tensors, tensors)
    odds = (logits[..., 1] - logits[..., 0]).numpy()
    same = labels[:, None] == labels[None]
    np.fill_diagonal(odds, np.nan)
    right, wrong = odds[same & ~np.isnan(odds)], odds[~same]
    return float((right[:, None] > wrong[None, ::7]).mean())


def test_training_lowers_the_loss_and_helps_on_classes_that_it_never_saw() -> None:
    (views, labels, embeddings), (unseen, unseen_labels, _) = toy(12, 0), toy(HIDDEN_CLASSES, 1)
    before = CorrelationMatcher((CHANNELS, SIDE, SIDE), hidden=8)
    before.fit_projection(torch.from_numpy(views[0]).float())
    watch = _Losses()
    recipe = named_recipe("correlation-matcher", ["batch_size=128", "lr=0.005"])
    network, stored = train_correlation(
        views, labels, embeddings, descriptor_dim=8, steps=150, recipe=recipe, options=RunOptions(callbacks=[watch])
    )
    assert np.mean(watch.losses[-3:]) < 0.9 * watch.losses[0]
    assert len(stored.low) == 8
    assert auc(network, unseen[0], unseen_labels) > auc(before, unseen[0], unseen_labels) + 0.02


def test_the_result_depends_on_the_seed_alone() -> None:
    views, labels, embeddings = toy(3, 0)
    recipe = named_recipe("correlation-matcher", ["batch_size=16"])
    states = [
        train_correlation(views, labels, embeddings, descriptor_dim=8, seed=seed, steps=2, recipe=recipe)[0].state_dict()
        for seed in (0, 0, 1)
    ]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert not torch.equal(states[0]["projection.weight"], states[2]["projection.weight"])


def test_a_recipe_of_another_matcher_is_refused() -> None:
    views, labels, embeddings = toy(3, 0)
    recipe = named_recipe("correlation-matcher", ["block=dyad", "batch_size=16"])
    with pytest.raises(TypeError, match="block 'dyad', not 'correlation'"):
        train_correlation(views, labels, embeddings, descriptor_dim=8, steps=1, recipe=recipe)
