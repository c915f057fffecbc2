"""What a training loop trains: a module that turns a batch into losses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn


class Batch(Protocol):
    """Anything that has a length in images and can move."""

    def __len__(self) -> int:
        """Images (or pairs) in it."""

    def to(self, device: torch.device) -> Self:
        """The batch on a device."""

    def pinned(self) -> Self:
        """A copy in page-locked memory."""


BatchT = TypeVar("BatchT", bound=Batch)


class Task(nn.Module, ABC, Generic[BatchT]):
    """A module that holds everything that learns, class prototypes included, and knows its losses."""

    @abstractmethod
    def step(self, batch: BatchT) -> dict[str, Tensor]:
        """Scalars by name; `loss` is minimised, the others are reported beside it. Called under autocast in a bf16 run."""

    def forward(self, batch: BatchT) -> dict[str, Tensor]:
        """The same as `step`: what wrappers call."""
        return self.step(batch)
