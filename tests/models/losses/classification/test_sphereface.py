"""A-softmax is SphereFace's equations 6 and 7 on a sphere of fixed radius."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from models.losses.classification.sphereface import SphereFace
from tests.support.losses import batch, close, gradient_is_right, log_sum_exp, to_numpy, unit_rows


@pytest.mark.parametrize("margin", [1, 2, 3, 4])
def test_sphere_is_a_softmax(margin: int) -> None:
    torch.manual_seed(1)
    embeddings, labels = batch(40, seed=3)
    loss = SphereFace(4, 6, margin=margin, scale=5.0)
    (weights,) = loss.parameters()
    cosines = to_numpy(embeddings) @ unit_rows(to_numpy(weights)).T
    total, pieces = 0.0, set()
    for row, label in zip(cosines, labels.tolist(), strict=True):
        angle = math.acos(row[label])
        piece = math.floor(angle * margin / math.pi)
        pieces.add(piece)
        row[label] = (-1) ** piece * math.cos(margin * angle) - 2 * piece
        total += log_sum_exp(5.0 * row) - 5.0 * row[label]
    assert len(pieces) > 1 or margin == 1
    assert close(loss(embeddings, labels), total / len(labels))


def test_psi_keeps_falling() -> None:
    torch.manual_seed(2)
    loss = SphereFace(2, 2)
    (weights,) = loss.parameters()
    weights.data = torch.eye(2)
    angles = torch.linspace(0.05, math.pi / 2, 60)
    costs = [loss(torch.stack([a.cos(), a.sin()])[None], torch.tensor([0])).item() for a in angles]
    assert (np.diff(costs) >= 0).all()


def test_gradient_is_right() -> None:
    torch.manual_seed(3)
    embeddings, labels = batch()
    loss = SphereFace(4, 6, scale=3.0)
    assert gradient_is_right(loss, lambda rows: loss(rows, labels), embeddings)
