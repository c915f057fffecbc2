"""Reconstruction is the mean squared error; a matcher's loss the binary cross entropy of its two logits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.losses.pairs.pair_cross_entropy import PairCrossEntropy
from models.losses.reconstruction import Reconstruction
from tests.support.losses import close, to_numpy


def test_reconstruction_is_the_mean_squared_error() -> None:
    torch.manual_seed(1)
    drawn, images = torch.rand(2, 3, 4, 5, requires_grad=True), torch.rand(2, 3, 4, 5)
    loss = Reconstruction()(drawn, images)
    assert close(loss, float(np.mean((to_numpy(drawn) - to_numpy(images)) ** 2)))
    loss.backward()
    assert drawn.grad is not None
    assert torch.allclose(drawn.grad, 2 * (drawn.detach() - images) / drawn.numel())
    assert torch.autograd.gradcheck(Reconstruction(), (drawn.detach().double().requires_grad_(), images.double()))


def test_reconstruction_refuses_another_shape() -> None:
    with pytest.raises(ValueError, match="must have one shape"):
        Reconstruction()(torch.rand(2, 3, 4, 4), torch.rand(2, 1, 4, 4))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_pair_cross_entropy_is_binary_cross_entropy(smoothing: float) -> None:
    torch.manual_seed(2)
    logits = torch.randn(8, 2)
    matches = torch.tensor([1, 0, 1, 1, 0, 0, 1, 0])
    scores = np.exp(to_numpy(logits))
    match = scores[:, 1] / scores.sum(axis=1)
    target = np.where(matches.numpy() == 1, 1 - smoothing, smoothing)
    expected = -np.mean(target * np.log(match) + (1 - target) * np.log(1 - match))
    loss = PairCrossEntropy(smoothing=smoothing)
    assert close(loss(logits, matches), float(expected))
    assert torch.equal(loss(logits, matches.bool()), loss(logits, matches))


def test_pair_cross_entropy_has_the_gradient_of_a_logistic_loss() -> None:
    logits = torch.randn(6, 2, generator=torch.Generator().manual_seed(3)).requires_grad_()
    matches = torch.tensor([1, 0, 1, 0, 0, 1])
    PairCrossEntropy()(logits, matches).backward()
    assert logits.grad is not None
    assert torch.allclose(logits.grad[:, 1], (logits.detach().softmax(1)[:, 1] - matches) / 6, atol=1e-7)


def test_pair_cross_entropy_refuses_what_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="logits"):
        PairCrossEntropy()(torch.randn(4, 3), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match="smoothing"):
        PairCrossEntropy(smoothing=0.5)
