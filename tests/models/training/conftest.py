"""A tiny task whose every part is plain to see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.data.samplers import Shard
from models.training.loop.task import Task


@dataclass(frozen=True)
class Points:
    """inputs: (N, 3) float32. labels: (N,) int64."""

    inputs: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Points:
        return Points(self.inputs.to(device), self.labels.to(device))

    def pinned(self) -> Points:
        return Points(self.inputs.pin_memory(), self.labels.pin_memory())


class PointBatches:
    """Batches of points of two classes."""

    def __init__(self, size: int = 8, steps: int = 5, shard: Shard | None = None) -> None:
        self.size, self.steps, self.shard = size, steps, shard or Shard()
        self.asked: list[int] = []

    @property
    def steps_per_epoch(self) -> int:
        return self.steps

    def batch(self, step: int) -> Points:
        self.asked.append(step)
        random = np.random.default_rng([1, step])
        labels = random.integers(0, 2, self.size)
        inputs = random.normal(size=(self.size, 3)) + labels[:, None] * 2
        own = self.shard.of(np.arange(self.size))
        return Points(torch.from_numpy(inputs[own].astype(np.float32)), torch.from_numpy(labels[own]))


class PointTask(Task[Points]):
    """A small network with dropout, so that the generators matter."""

    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 2))

    def step(self, batch: Points) -> dict[str, Tensor]:
        logits = self.network(batch.inputs)
        loss = nn.functional.cross_entropy(logits.float(), batch.labels)
        return {"loss": loss, "accuracy": (logits.argmax(1) == batch.labels).float().mean()}


@pytest.fixture
def make_task() -> type[PointTask]:
    return PointTask


@pytest.fixture
def make_batches() -> type[PointBatches]:
    return PointBatches
