"""Restore the state of an optimiser."""

from __future__ import annotations

from typing import Any

import torch


def restore_optimiser(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load a `state_dict`, and give every buffer the memory layout of its parameter.

    Fused optimisers iterate over parameter and buffer in memory order: with a channels-last parameter a contiguous momentum, as
    loaded from a file, would silently be applied to the wrong weights.
    """
    optimiser.load_state_dict(state)
    for parameter, buffers in optimiser.state.items():
        for name, buffer in buffers.items():
            if isinstance(buffer, torch.Tensor) and buffer.shape == parameter.shape:
                buffers[name] = torch.empty_like(parameter, dtype=buffer.dtype).copy_(buffer)
