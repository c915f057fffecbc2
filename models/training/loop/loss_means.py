"""Means of the losses over an epoch, on the device, so that an update does not wait for it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class LossMeans:
    """Sums of the losses since the start of the epoch."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._batches = self._images = 0
        self._last: tuple[dict[str, float], int, int, float] = ({}, 0, 0, time.perf_counter())

    def add(self, losses: Mapping[str, Tensor], images: int) -> None:
        """Count one batch."""
        for name, loss in losses.items():
            value = loss.detach().double()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._batches += 1
        self._images += images

    def since_last_call(self) -> tuple[dict[str, float], float]:
        """Mean losses and images/s since the last call, or since the start of the epoch."""
        sums, now = {name: float(value) for name, value in self._sums.items()}, time.perf_counter()
        old_sums, old_batches, old_images, then = self._last
        self._last = (sums, self._batches, self._images, now)
        count = self._batches - old_batches
        means = {name: (value - old_sums.get(name, 0.0)) / count for name, value in sums.items()}
        return means, (self._images - old_images) / (now - then)

    def means(self) -> dict[str, float]:
        """Mean losses since the start of the epoch."""
        return {name: float(value) / self._batches for name, value in self._sums.items()}

    def state(self) -> dict[str, Any]:
        """The state for `restore`."""
        return {"sums": self._sums, "batches": self._batches, "images": self._images}

    def restore(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Continue from a state."""
        self._sums = {name: value.to(device) for name, value in state["sums"].items()}
        self._batches, self._images = int(state["batches"]), int(state["images"])
        sums = {name: float(value) for name, value in self._sums.items()}
        self._last = (sums, self._batches, self._images, time.perf_counter())
