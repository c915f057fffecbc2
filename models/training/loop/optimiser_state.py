"""Give an optimiser its state back."""

from __future__ import annotations

from typing import Any

import torch


def restore_optimiser(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load a `state_dict`, and lay every buffer out in memory like its parameter.

    Fused optimisers walk over parameter and buffer together in the order of memory: beside a channels-last parameter a
    contiguous momentum, as files hold it, would silently be applied to the wrong weights.
    """
    optimiser.load_state_dict(state)
    for parameter, buffers in optimiser.state.items():
        for name, buffer in buffers.items():
            if isinstance(buffer, torch.Tensor) and buffer.shape == parameter.shape:
                buffers[name] = torch.empty_like(parameter, dtype=buffer.dtype).copy_(buffer)
