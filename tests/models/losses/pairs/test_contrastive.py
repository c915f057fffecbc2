"""The contrastive loss is Hadsell's equation 4, its two kinds of pairs averaged apart."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from models.losses.pairs.contrastive import Contrastive
from tests.support.losses import batch, close, gradient_is_right, to_numpy


@pytest.mark.parametrize("margin", [1.0, 1.6])
def test_contrastive_is_equation_4(margin: float) -> None:
    embeddings, labels = batch()
    rows = to_numpy(embeddings)
    same, other = [], []
    for i, j in itertools.combinations(range(12), 2):
        distance = float(np.linalg.norm(rows[i] - rows[j]))
        if labels[i] == labels[j]:
            same.append(distance**2 / 2)
        else:
            other.append(max(0.0, margin - distance) ** 2 / 2)
    assert close(Contrastive(margin=margin)(embeddings, labels), float(np.mean(same) + np.mean(other)))


def test_gradient_is_right() -> None:
    embeddings, labels = batch()
    loss = Contrastive(margin=2.5)
    assert gradient_is_right(loss, lambda rows: loss(rows, labels), embeddings)


def test_equal_images_give_a_finite_gradient() -> None:
    embeddings = batch()[0][:1].repeat(4, 1).requires_grad_()
    Contrastive()(embeddings, torch.tensor([0, 0, 1, 1])).backward()
    assert embeddings.grad is not None
    assert embeddings.grad.isfinite().all()


def test_a_single_image_costs_nothing() -> None:
    assert Contrastive()(batch()[0][:1], torch.tensor([0])).item() == 0
