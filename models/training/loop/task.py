"""Tasks: modules that compute losses of a batch, for the training loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn


class Batch(Protocol):
    """A batch with a number of images, which can be moved to a device."""

    def __len__(self) -> int:
        """Images (or pairs) in it."""

    def to(self, device: torch.device) -> Self:
        """The batch on a device."""

    def pinned(self) -> Self:
        """A copy in page-locked memory."""


BatchT = TypeVar("BatchT", bound=Batch)


class Task(nn.Module, ABC, Generic[BatchT]):
    """A module with everything that is trained, including class prototypes, and its losses."""

    @abstractmethod
    def step(self, batch: BatchT) -> dict[str, Tensor]:
        """Scalars by name; `loss` is minimised, the others are only reported. Called under autocast in a bf16 run."""

    def forward(self, batch: BatchT) -> dict[str, Tensor]:
        """The same as `step`, for wrappers such as DistributedDataParallel."""
        return self.step(batch)
