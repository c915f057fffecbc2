"""Input checks of the losses over embeddings."""

from __future__ import annotations

import torch
from torch import Tensor

_EXACT = (torch.float32, torch.float64)


def check_embeddings(embeddings: Tensor, what: str = "embeddings") -> None:
    """Check that embeddings are (N, D) float32 or float64 and that autocast is off.

    Cosines divided by a temperature of 0.05 lose their first decimal in bfloat16, so that losses need full precision.

    Raises:
        ValueError: another shape or dtype, or autocast is on.
    """
    if embeddings.ndim != 2 or embeddings.dtype not in _EXACT:
        shape, dtype = tuple(embeddings.shape), embeddings.dtype
        raise ValueError(f"{what} must be (N, D) float32, not {shape} {dtype}; call .float() after mixed precision")
    if torch.is_autocast_enabled(embeddings.device.type):
        raise ValueError("compute losses outside torch.autocast: bfloat16 is too coarse for cosines over a temperature")


def check_batch(embeddings: Tensor, labels: Tensor) -> None:
    """Check that embeddings are (N, D) float32 or float64 and labels (N,) int64.

    Raises:
        ValueError: as `check_embeddings`, or labels of another shape or dtype.
    """
    check_embeddings(embeddings)
    if labels.dtype != torch.int64 or labels.shape != embeddings.shape[:1]:
        found = f"{tuple(labels.shape)} {labels.dtype}"
        raise ValueError(f"labels must be ({embeddings.shape[0]},) int64, one per embedding, not {found}")
