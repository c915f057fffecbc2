"""Euclidean distances between unit vectors, with gradients that stay finite at zero."""

from __future__ import annotations

import torch
from torch import Tensor

_LEAST = 1e-12
"""Squared distances are clamped to it, because the slope of the root is infinite at zero."""


def squared_distances(left: Tensor, right: Tensor) -> Tensor:
    """(N, M) squared Euclidean distances, at least 0, between rows (N, D) and rows (M, D) of any length."""
    inner = left @ right.T
    squares = left.square().sum(1, keepdim=True) + right.square().sum(1) - 2 * inner
    return squares.clamp_min(0.0)


def distances(left: Tensor, right: Tensor) -> Tensor:
    """(N, M) Euclidean distances, at least 1e-6; a pair of equal rows has no gradient."""
    return squared_distances(left, right).clamp_min(_LEAST).sqrt()


def pair_masks(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Two (N, N) bool masks of ordered pairs: (same class, never an image with itself; different class)."""
    same = labels[:, None] == labels[None, :]
    itself = torch.eye(labels.shape[0], dtype=torch.bool, device=labels.device)
    return same & ~itself, ~same
