"""High-rankness is equations 5 and 6, and the joint loss equation 7."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.losses.classification.high_rankness import HighRankness, RankScale
from models.losses.classification.hr_s2dml import HrS2dml
from tests.support.losses import Array, batch, close, gradient_is_right, to_numpy


def equation_6(embeddings: torch.Tensor, prototypes: torch.Tensor, tau: float) -> Array:
    """The probabilities (M, C)."""
    scores = np.exp(to_numpy(embeddings) @ to_numpy(prototypes).T / tau)
    probabilities: Array = scores / scores.sum(axis=1, keepdims=True)
    return probabilities


@pytest.mark.parametrize("tau", [1.0, 0.05])
@pytest.mark.parametrize(("scale", "divisor"), [("sum", 1), ("batch", 12), ("mean", 4)])
def test_high_rankness_is_minus_the_nuclear_norm(tau: float, scale: RankScale, divisor: int) -> None:
    embeddings, _ = batch()
    prototypes = batch(4, seed=9)[0]
    singular = np.linalg.svd(equation_6(embeddings, prototypes, tau), compute_uv=False)
    assert close(HighRankness(tau=tau, scale=scale)(embeddings, prototypes), -float(singular.sum()) / divisor)


@pytest.mark.parametrize("length", [0.3, 1.0, 8.0])
def test_equation_6_takes_features_of_any_length(length: float) -> None:
    features = length * batch()[0]
    prototypes = batch(4, seed=9)[0]
    singular = np.linalg.svd(equation_6(features, prototypes, 1.0), compute_uv=False)
    assert close(HighRankness()(features, prototypes), -float(singular.sum()))
    unit = np.linalg.svd(equation_6(batch()[0], prototypes, 1.0), compute_uv=False)
    assert close(HighRankness(features="unit")(features, prototypes), -float(unit.sum()))


def test_the_gradient_of_long_features_is_right() -> None:
    features = (8 * batch()[0]).double()
    prototypes = batch(4, seed=9)[0].double()
    loss = HighRankness()
    assert gradient_is_right(loss, lambda rows: loss(rows, prototypes), features)


def test_high_rankness_prefers_confident_and_diverse_predictions() -> None:
    prototypes = torch.eye(4)
    loss = HighRankness(tau=0.05)
    diverse, same = torch.eye(4).repeat(3, 1), torch.eye(4)[:1].repeat(12, 1)
    unsure = functional.normalize(torch.ones(12, 4), dim=1)
    assert loss(diverse, prototypes) < loss(same, prototypes) < loss(unsure, prototypes)


def test_joint_loss_is_equation_7() -> None:
    torch.manual_seed(1)
    embeddings, labels = batch()
    unlabelled = batch(10, seed=5)[0]
    loss = HrS2dml(4, 6, weight=0.7)
    rankness = -np.linalg.svd(equation_6(unlabelled, loss.prototypes, 1.0), compute_uv=False).sum()
    assert close(loss(embeddings, labels, unlabelled), loss.supervised(embeddings, labels).item() + 0.7 * float(rankness))


def test_gradients_are_right_for_both_batches() -> None:
    torch.manual_seed(2)
    embeddings, labels = batch()
    unlabelled = batch(10, seed=5)[0].double()
    loss = HrS2dml(4, 6, tau=0.2, rank_tau=0.2)
    assert gradient_is_right(loss, lambda rows: loss(rows, labels, unlabelled), embeddings)
    fixed = embeddings.double()
    assert gradient_is_right(loss, lambda rows: loss(fixed, labels, rows), unlabelled)


def test_unlabelled_images_move_the_prototypes() -> None:
    torch.manual_seed(3)
    loss = HrS2dml(4, 6)
    loss.rankness(batch()[0], loss.prototypes).backward()
    (weights,) = loss.parameters()
    assert weights.grad is not None
    assert weights.grad.abs().sum() > 0


def test_rejects_what_is_no_batch() -> None:
    embeddings, labels = batch()
    loss = HrS2dml(4, 6)
    with pytest.raises(ValueError, match="unlabelled features must be"):
        loss(embeddings, labels, embeddings.half())
    with pytest.raises(ValueError, match="labels must be"):
        loss(embeddings, labels[:3], embeddings)
    with pytest.raises(ValueError, match=r"outside torch\.autocast"), torch.autocast("cpu", dtype=torch.bfloat16):
        loss(embeddings, labels, embeddings)
