"""The triplet loss is FaceNet's equation 2 over the triplets that its mining names."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.losses.pairs.triplet import Mining, TripletMargin
from tests.support.losses import Array, batch, close, gradient_is_right, to_numpy

MARGIN = 0.2


def squares(rows: Array) -> Array:
    """(N, N) squared distances."""
    apart: Array = ((rows[:, None] - rows[None, :]) ** 2).sum(axis=2)
    return apart


def mined(embeddings: torch.Tensor, labels: torch.Tensor, mining: Mining) -> float:
    """The mean violation over the triplets of one mining, by three loops."""
    apart, kinds = squares(to_numpy(embeddings)), labels.tolist()
    count = len(kinds)
    found = []
    for anchor in range(count):
        positives = [p for p in range(count) if p != anchor and kinds[p] == kinds[anchor]]
        negatives = [n for n in range(count) if kinds[n] != kinds[anchor]]
        if mining == "batch-hard":
            positives = [max(positives, key=lambda p: apart[anchor, p])]
            negatives = [min(negatives, key=lambda n: apart[anchor, n])]
        for p in positives:
            for n in negatives:
                gap = apart[anchor, n] - apart[anchor, p]
                wanted = {"semihard": gap > 0, "hard": gap <= 0}.get(mining, True)
                if wanted and gap < MARGIN:
                    found.append(MARGIN - gap)
    return float(np.mean(found))


@pytest.mark.parametrize("mining", ["all", "semihard", "hard", "batch-hard"])
def test_triplet_is_the_mean_violation_of_the_mined_triplets(mining: Mining) -> None:
    embeddings, labels = batch()
    loss = TripletMargin(margin=MARGIN, mining=mining)
    assert close(loss(embeddings, labels), mined(embeddings, labels, mining))


def test_gradient_is_right_away_from_the_hinge() -> None:
    embeddings, labels = batch(8, classes=2)
    loss = TripletMargin(margin=4.5, mining="batch-hard")
    assert gradient_is_right(loss, lambda rows: loss(rows, labels), embeddings)


def test_no_triplet_costs_nothing() -> None:
    embeddings, _ = batch()
    embeddings.requires_grad_()
    loss = TripletMargin()(embeddings, torch.zeros(12, dtype=torch.int64))
    loss.backward()
    assert loss.item() == 0
