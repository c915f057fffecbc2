"""SNCA is the neighbourhood softmax over a memory bank that follows the embeddings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.losses.pairs.snca import Snca
from tests.support.losses import batch, close, gradient_is_right, to_numpy


def filled(margin: float = 0.0, tau: float = 0.1) -> tuple[Snca, torch.Tensor]:
    """A loss whose bank of 20 remembers 20 images, and their labels."""
    loss = Snca(20, 6, tau=tau, margin=margin)
    embeddings, labels = batch(20, seed=7)
    loss(embeddings, labels, torch.arange(20))
    return loss, labels


@pytest.mark.parametrize("margin", [0.0, 0.4])
def test_snca_is_its_equation(margin: float) -> None:
    loss, labels = filled(margin)
    bank = to_numpy(loss.bank)
    embeddings = batch(5, seed=8)[0]
    indices = torch.tensor([3, 19, 0, 7, 12])
    total = 0.0
    for row, index in zip(to_numpy(embeddings), indices.tolist(), strict=True):
        scores = np.exp(bank @ row / 0.1)
        scores[index] = 0
        share = scores[labels.numpy() == int(labels[index])].sum() / scores.sum()
        total -= np.log(share / (share + (1 - share) * np.exp(margin)))
    assert close(loss(embeddings, labels[indices], indices), float(total) / 5)


def test_bank_follows_the_embeddings_with_momentum() -> None:
    loss, labels = filled()
    before = loss.bank.clone()
    fresh = batch(2, seed=9)[0]
    indices = torch.tensor([4, 11])
    loss(fresh, labels[indices], indices)
    mixed = functional.normalize(0.5 * before[indices] + 0.5 * fresh, dim=1)
    assert torch.allclose(loss.bank[indices], mixed, atol=1e-6)
    others = [i for i in range(20) if i not in (4, 11)]
    assert torch.equal(loss.bank[others], before[others])
    loss.eval()
    loss(fresh, labels[indices], indices)
    assert torch.allclose(loss.bank[indices], mixed, atol=1e-6)


def test_rows_never_seen_are_left_out() -> None:
    loss = Snca(10, 6)
    embeddings, labels = batch(4, classes=2)
    first = loss(embeddings.requires_grad_(), labels, torch.arange(4))
    first.backward()
    assert first.item() == 0
    assert loss.bank_labels.tolist() == [0, 1, 0, 1] + [-1] * 6
    assert loss(embeddings, labels, torch.arange(4)).item() > 0


def test_gradient_is_right_and_the_bank_survives_a_checkpoint() -> None:
    loss, labels = filled(tau=0.5)
    loss.eval()
    indices = torch.arange(5)
    assert gradient_is_right(loss, lambda rows: loss(rows, labels[:5], indices), batch(5, seed=8)[0])
    other = Snca(20, 6).double()
    other.load_state_dict(loss.state_dict())
    assert torch.equal(other.bank, loss.bank)


def test_backward_runs_after_the_bank_moved() -> None:
    loss, labels = filled()
    embeddings = batch(5, seed=8)[0].requires_grad_()
    loss(embeddings, labels[:5], torch.arange(5)).backward()
    assert embeddings.grad is not None
    assert embeddings.grad.isfinite().all()
    assert embeddings.grad.any()
