"""Online hard mining keeps each anchor's hardest pair, and of the anchors the hardest."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from models.losses.pairs.hard_mining import OnlineHardMining
from tests.support.losses import batch, close, gradient_is_right, to_numpy


@pytest.mark.parametrize("keep", [1.0, 0.5, 0.01])
def test_hard_mining_is_its_equation(keep: float) -> None:
    embeddings, labels = batch()
    rows, kinds = to_numpy(embeddings), labels.numpy()
    costs = []
    for anchor in range(12):
        apart = np.linalg.norm(rows - rows[anchor], axis=1)
        same = (kinds == kinds[anchor]) & (np.arange(12) != anchor)
        costs.append(math.log1p(math.exp(apart[same].max() - apart[kinds != kinds[anchor]].min())))
    hardest = sorted(costs, reverse=True)[: math.ceil(keep * 12)]
    assert close(OnlineHardMining(keep=keep)(embeddings, labels), float(np.mean(hardest)))


def test_gradient_is_right() -> None:
    embeddings, labels = batch()
    loss = OnlineHardMining()
    assert gradient_is_right(loss, lambda rows: loss(rows, labels), embeddings)


@pytest.mark.parametrize("labels", [torch.arange(12), torch.zeros(12, dtype=torch.int64)])
def test_no_triplet_costs_nothing(labels: torch.Tensor) -> None:
    embeddings = batch()[0].requires_grad_()
    loss = OnlineHardMining()(embeddings, labels)
    loss.backward()
    assert loss.item() == 0


def test_keep_is_a_share() -> None:
    with pytest.raises(ValueError, match="keep must be"):
        OnlineHardMining(keep=0.0)
