"""One byte a number for the stored candidate half: an affine map from [low, low + 255 scale] to 0..255.

What the tail sees differs from the exact half by at most scale / 2 where nothing was clipped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

LEVELS = 255
_SMALLEST_RANGE = 1e-6


@dataclass(frozen=True, slots=True)
class Quantisation:
    """value = low + scale * byte. Each a number a channel, or one for all; plain floats, so that a card can hold them."""

    low: tuple[float, ...]
    scale: tuple[float, ...]


def fit_quantisation(halves: Tensor, *, per_channel: bool = True, coverage: float = 1.0) -> Quantisation:
    """The range of a sample of halves.

    halves: (N, K, h, w) float32. coverage: how much of the values must fit in the range; the rest, half of it at either
    end, will be clipped. A little less than 1 buys precision where outliers are rare.

    Raises:
        ValueError: an empty sample, or a coverage outside (0, 1].
    """
    if halves.numel() == 0:
        raise ValueError("no halves to measure: pass a sample of real ones")
    if not 0 < coverage <= 1:
        raise ValueError(f"coverage {coverage}: choose a fraction above 0, at most 1")
    values = halves.detach().float().cpu().numpy()
    rows = np.moveaxis(values, 1, 0).reshape(values.shape[1] if per_channel else 1, -1)
    tail = (1 - coverage) / 2
    low, high = np.quantile(rows, (tail, 1 - tail), axis=1)
    scale = np.maximum(high - low, _SMALLEST_RANGE) / LEVELS
    return Quantisation(tuple(low.tolist()), tuple(scale.tolist()))


def quantise(halves: Tensor, quantisation: Quantisation) -> Tensor:
    """(N, K, h, w) float32 to the same shape, uint8; values out of range are clipped."""
    low, scale = _parameters(quantisation, halves)
    return ((halves.float() - low) / scale).round().clamp(0, LEVELS).to(torch.uint8)


def dequantise(stored: Tensor, quantisation: Quantisation) -> Tensor:
    """(N, K, h, w) uint8 to the same shape, float32."""
    low, scale = _parameters(quantisation, stored)
    return low + scale * stored.float()


def _parameters(quantisation: Quantisation, like: Tensor) -> tuple[Tensor, Tensor]:
    low = torch.tensor(quantisation.low, dtype=torch.float32, device=like.device)
    scale = torch.tensor(quantisation.scale, dtype=torch.float32, device=like.device)
    return low[:, None, None], scale[:, None, None]
