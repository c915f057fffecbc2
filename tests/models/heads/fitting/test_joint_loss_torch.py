"""The NumPy loss is that of models/losses: equal in value and in every gradient, by torch's autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.heads.fitting.joint_loss import JointLoss, Parameters

torch = pytest.importorskip("torch")

DIMENSION, FEATURES, CLASSES = 6, 10, 5


def _random(*shape: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


@pytest.mark.parametrize("rankness", [0.0, 0.7])
@pytest.mark.parametrize("margin", [0.0, 0.5])
@pytest.mark.parametrize("unlabelled_rows", [3, 12])
def test_value_and_gradients_are_those_of_pytorch(rankness: float, margin: float, unlabelled_rows: int) -> None:
    from models.losses.classification.hr_s2dml import HrS2dml

    labelled, unlabelled = _random(40, FEATURES), _random(unlabelled_rows, FEATURES, seed=1)
    labels = np.arange(40) % CLASSES
    parameters = Parameters(_random(DIMENSION, FEATURES), _random(DIMENSION), _random(CLASSES, DIMENSION))
    found, gradients = JointLoss(tau=0.2, margin=margin, rankness=rankness, rank_tau=0.5)(
        parameters, labelled, np.eye(CLASSES, dtype=bool)[labels], unlabelled, np.zeros((unlabelled_rows, DIMENSION))
    )

    loss = HrS2dml(CLASSES, DIMENSION, tau=0.2, margin=margin, weight=rankness, rank_tau=0.5, rank_scale="mean").double()
    weight, bias = (torch.tensor(each, requires_grad=True) for each in parameters[:2])
    prototypes = loss.supervised.inner.get_parameter("W")
    with torch.no_grad():
        prototypes.copy_(torch.tensor(parameters.prototypes.T))

    def embed(features: NDArray[np.float64]) -> Any:
        return torch.nn.functional.normalize(torch.tensor(features) @ weight.T + bias, dim=1)

    wanted = loss(embed(labelled), torch.tensor(labels), embed(unlabelled))
    wanted.backward()
    assert found == pytest.approx(wanted.item(), abs=1e-5)
    assert np.allclose(gradients.weight, weight.grad.numpy(), atol=1e-5)
    assert np.allclose(gradients.bias, bias.grad.numpy(), atol=1e-5)
    assert prototypes.grad is not None
    assert np.allclose(gradients.prototypes, prototypes.grad.numpy().T, atol=1e-5)
