"""The normalised softmax losses are equation 3, with and without its margin."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.losses.classification.nsl import NormalizedSoftmax
from models.losses.classification.nsl_margin import NormalizedSoftmaxMargin
from tests.support.losses import batch, close, gradient_is_right, log_sum_exp, to_numpy


def equation_3(embeddings: torch.Tensor, labels: torch.Tensor, prototypes: torch.Tensor, tau: float, margin: float) -> float:
    """Plainly, image by image and class by class."""
    total = 0.0
    weights = to_numpy(prototypes)
    for embedding, label in zip(to_numpy(embeddings), labels.tolist(), strict=True):
        angles = np.arccos(np.clip(weights @ embedding, -1, 1))
        cosines = np.cos(angles)
        past = angles[label] + margin > math.pi
        cosines[label] = cosines[label] - margin * math.sin(margin) if past else np.cos(angles[label] + margin)
        total += log_sum_exp(cosines / tau) - cosines[label] / tau
    return total / len(labels)


def test_nsl_is_equation_3_without_margin() -> None:
    torch.manual_seed(1)
    embeddings, labels = batch()
    loss = NormalizedSoftmax(4, 6, tau=0.05)
    assert close(loss(embeddings, labels), equation_3(embeddings, labels, loss.prototypes, 0.05, 0.0))


@pytest.mark.parametrize(("tau", "margin"), [(0.05, 0.5), (0.1, 0.2), (0.2, 0.0)])
def test_nsl_with_margin_is_equation_3(tau: float, margin: float) -> None:
    torch.manual_seed(2)
    embeddings, labels = batch()
    loss = NormalizedSoftmaxMargin(4, 6, tau=tau, margin=margin)
    assert close(loss(embeddings, labels), equation_3(embeddings, labels, loss.prototypes, tau, margin))


def test_margin_keeps_falling_where_the_angle_passes_pi() -> None:
    torch.manual_seed(3)
    loss = NormalizedSoftmaxMargin(4, 6)
    opposite = -loss.prototypes.detach()
    labels = torch.arange(4)
    assert close(loss(opposite, labels), equation_3(opposite, labels, loss.prototypes, 0.05, 0.5))
    turned = functional.normalize(opposite + 0.1 * torch.randn(4, 6), dim=1)
    assert loss(opposite, labels) > loss(turned, labels)


@pytest.mark.parametrize("kind", [NormalizedSoftmax, NormalizedSoftmaxMargin])
def test_gradients_reach_embeddings_and_prototypes(kind: type[NormalizedSoftmax | NormalizedSoftmaxMargin]) -> None:
    torch.manual_seed(4)
    embeddings, labels = batch()
    loss = kind(4, 6, tau=0.2)
    loss(embeddings, labels).backward()
    (weights,) = loss.parameters()
    assert weights.grad is not None
    assert weights.grad.abs().sum() > 0
    assert gradient_is_right(loss, lambda rows: loss(rows, labels), embeddings)


def test_gradient_is_finite_on_a_prototype() -> None:
    torch.manual_seed(5)
    loss = NormalizedSoftmaxMargin(4, 6)
    embeddings = loss.prototypes.detach().clone().requires_grad_()
    loss(embeddings, torch.arange(4)).backward()
    assert embeddings.grad is not None
    assert embeddings.grad.isfinite().all()
