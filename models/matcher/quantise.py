"""Quantisation of stored candidate features to one byte per value: an affine map from [low, low + 255 scale] to 0..255.

Dequantised values differ from the exact ones by at most scale / 2 unless clipped.
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
    """value = low + scale * byte; one low and scale per channel, or one for all; plain floats, for cards."""

    low: tuple[float, ...]
    scale: tuple[float, ...]


def fit_quantisation(halves: Tensor, *, per_channel: bool = True, coverage: float = 1.0) -> Quantisation:
    """Fit the range to a sample of candidate features.

    halves: (N, K, h, w) float32. coverage: share of values within the range; the rest, half of it at each end, is clipped.
    Slightly less than 1 increases the precision if outliers are rare.

    Raises:
        ValueError: an empty sample, or a coverage outside (0, 1].
    """
    if halves.numel() == 0:
        raise ValueError("the sample of candidate features is empty")
    if not 0 < coverage <= 1:
        raise ValueError(f"coverage must be above 0 and at most 1, not {coverage}")
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
