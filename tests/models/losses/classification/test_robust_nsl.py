"""The robust normalised softmax is the Box-Cox form, truncated on demand, and forgets what it contradicts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.losses.classification.robust_nsl import RobustNormalizedSoftmax
from tests.support.losses import Array, batch, close, gradient_is_right, to_numpy, unit_rows


def own_probabilities(loss: RobustNormalizedSoftmax, embeddings: torch.Tensor, labels: torch.Tensor) -> Array:
    """p_i (N,)."""
    scores = np.exp(to_numpy(embeddings) @ unit_rows(to_numpy(loss.prototypes.weight)).T / loss.tau)
    own: Array = scores[np.arange(len(labels)), labels.numpy()] / scores.sum(axis=1)
    return own


@pytest.mark.parametrize("truncation", [0.0, 0.3])
@pytest.mark.parametrize("q", [0.3, 0.7, 1.0])
def test_robust_nsl_is_the_negative_box_cox_transform(q: float, truncation: float) -> None:
    torch.manual_seed(1)
    embeddings, labels = batch()
    loss = RobustNormalizedSoftmax(4, 6, tau=0.2, q=q, truncation=truncation)
    own = np.maximum(own_probabilities(loss, embeddings, labels), truncation)
    assert close(loss(embeddings, labels), float(np.mean((1 - own**q) / q)))


def test_the_first_batches_of_training_are_the_normalised_softmax() -> None:
    torch.manual_seed(1)
    embeddings, labels = batch()
    loss = RobustNormalizedSoftmax(4, 6, tau=0.2, truncation=0.3, warm_up=2)
    own = own_probabilities(loss, embeddings, labels)
    warm, robust = float(np.mean(-np.log(own))), float(np.mean((1 - np.maximum(own, 0.3) ** 0.7) / 0.7))
    loss.eval()
    assert close(loss(embeddings, labels), warm)  # counts no batch
    loss.train()
    assert close(loss(embeddings, labels), warm)
    resumed = RobustNormalizedSoftmax(4, 6, tau=0.2, truncation=0.3, warm_up=2)
    resumed.load_state_dict(loss.state_dict())
    assert close(resumed(embeddings, labels), warm)
    assert close(resumed(embeddings, labels), robust)


def test_gradient_is_right() -> None:
    torch.manual_seed(2)
    embeddings, labels = batch()
    loss = RobustNormalizedSoftmax(4, 6, tau=0.3)
    assert gradient_is_right(loss, lambda rows: loss(rows, labels), embeddings)


def test_truncation_drops_contradicted_images_from_the_gradient() -> None:
    torch.manual_seed(3)
    embeddings, labels = batch()
    loss = RobustNormalizedSoftmax(4, 6, tau=0.2, truncation=0.5)
    embeddings.requires_grad_()
    loss(embeddings, labels).backward()
    assert embeddings.grad is not None
    moved = (embeddings.grad.abs().sum(1) > 0).numpy()
    assert (moved == (own_probabilities(loss, embeddings, labels) > 0.5)).all()
    assert 0 < moved.sum() < len(labels)


def test_hopeless_images_give_a_finite_gradient() -> None:
    loss = RobustNormalizedSoftmax(2, 2, tau=0.001)
    loss.prototypes.weight.data = torch.eye(2)
    embeddings = torch.tensor([[0.0, 1.0]], requires_grad=True)
    loss(embeddings, torch.tensor([0])).backward()
    assert embeddings.grad is not None
    assert embeddings.grad.isfinite().all()
