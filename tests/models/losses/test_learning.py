"""Two papers' claims on toy data, in seconds: unlabelled images help, and a robust loss survives wrong labels."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.losses.classification.hr_s2dml import HrS2dml
from models.losses.classification.nsl import NormalizedSoftmax
from models.losses.classification.robust_nsl import RobustNormalizedSoftmax

CLASSES, PER_CLASS, DIM = 20, 100, 64


def clusters(seed: int) -> tuple[Tensor, Tensor]:
    """Overlapping clusters bent by a random layer: (2000, 64) float32 and their labels (2000,)."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(CLASSES, 32, generator=generator)
    labels = torch.arange(CLASSES * PER_CLASS) % CLASSES
    hidden = centres[labels] + torch.randn(labels.shape[0], 32, generator=generator)
    mixed = torch.tanh(hidden @ torch.randn(32, DIM, generator=generator) / 32**0.5)
    return mixed + 0.1 * torch.randn(mixed.shape, generator=generator), labels


def train(loss: nn.Module, step: Callable[[nn.Module], Tensor], steps: int) -> nn.Module:
    """A small network trained on what `step` returns for it; ready to embed."""
    network = nn.Sequential(nn.Linear(DIM, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, DIM))
    parameters = [*network.parameters(), *loss.parameters()]
    optimiser = torch.optim.SGD(parameters, lr=0.02, momentum=0.9, weight_decay=1e-4, nesterov=True)
    for _ in range(steps):
        optimiser.zero_grad()
        torch.autograd.backward(step(network))
        optimiser.step()
    return network.eval()


def neighbour_accuracy(network: nn.Module, inputs: Tensor, labels: Tensor, known: Tensor, asked: Tensor, k: int = 5) -> float:
    """Share of `asked` that get their label from the k nearest of `known`."""
    with torch.no_grad():
        embeddings = functional.normalize(network(inputs), dim=1)
    nearest = (embeddings[asked] @ embeddings[known].T).topk(k, dim=1).indices
    return (labels[known][nearest].mode(dim=1).values == labels[asked]).float().mean().item()


@pytest.mark.parametrize("seed", [0, 1])
def test_high_rankness_of_unlabelled_images_helps_with_few_labels(seed: int) -> None:
    inputs, labels = clusters(seed)
    order = torch.randperm(inputs.shape[0], generator=torch.Generator().manual_seed(seed))
    known, unknown = order[:100], order[100:]

    def accuracy(weight: float) -> float:
        torch.manual_seed(seed)
        loss = HrS2dml(CLASSES, DIM, weight=weight)

        def step(network: nn.Module) -> Tensor:
            some, others = known[torch.randint(100, (64,))], unknown[torch.randint(1900, (128,))]
            embeddings = functional.normalize(network(inputs[torch.cat([some, others])]), dim=1)
            value: Tensor = loss(embeddings[:64], labels[some], embeddings[64:])
            return value

        return neighbour_accuracy(train(loss, step, 200), inputs, labels, known, unknown)

    assert accuracy(1.0) > accuracy(0.0) + 0.03


def test_robust_loss_survives_wrong_labels() -> None:
    inputs, labels = clusters(2)
    generator = torch.Generator().manual_seed(2)
    order = torch.randperm(inputs.shape[0], generator=generator)
    seen, unseen = order[:1000], order[1000:]
    wrong = labels.clone()
    wrong[seen[:400]] = torch.randint(CLASSES, (400,), generator=generator)

    def accuracy(kind: type[NormalizedSoftmax | RobustNormalizedSoftmax]) -> float:
        torch.manual_seed(2)
        loss = kind(CLASSES, DIM)

        def step(network: nn.Module) -> Tensor:
            some = seen[torch.randint(1000, (128,))]
            value: Tensor = loss(functional.normalize(network(inputs[some]), dim=1), wrong[some])
            return value

        return neighbour_accuracy(train(loss, step, 400), inputs, labels, seen, unseen)

    clean = accuracy(RobustNormalizedSoftmax)
    assert clean > accuracy(NormalizedSoftmax) + 0.03
