"""Augmentation by Gaussian noise and by JPEG compression artefacts."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_LUMA_TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""ITU-T T.81, table K.1."""


def add_noise(images: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:
    """Add white Gaussian noise, each image by its own standard deviation, and clamp to 0..1.

    images: (N, B, S, S) float32 in 0..1. strength: (N,) float32. The images of a batch use random windows of one field of
    twice their size, because normal random numbers for every pixel would take longer than all other augmentation.
    """
    count, bands, height, width = images.shape
    field = torch.randn((bands, 2 * height, 2 * width), generator=generator).to(images.device, non_blocking=True)
    places = torch.randint(0, min(height, width) + 1, (count, 2), generator=generator).tolist()
    windows = torch.stack([field[:, top : top + height, left : left + width] for top, left in places])
    scale = strength.to(images.device, non_blocking=True)[:, None, None, None]
    return windows.mul_(scale).add_(images).clamp_(0, 1)


def compress(images: Tensor, quality: Tensor) -> Tensor:
    """Quantise the 8 x 8 cosine coefficients of every band like the luminance of a baseline JPEG encoder.

    images: (N, B, S, S) float32 in 0..1; pixels beyond a multiple of 8 are not changed. quality: (N,) float32 in
    1..100, on libjpeg's scale.
    """
    height, width = (side - side % 8 for side in images.shape[2:])
    step = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)[:, None, None] / 100
    table = (torch.tensor(_LUMA_TABLE, dtype=torch.float32) * step).clamp(1, 255).to(images.device)
    table = table[:, None, None, :, None, :]
    basis = _cosines().to(images.device)
    blocks = images[:, :, :height, :width] * 255 - 128
    blocks = blocks.reshape(*images.shape[:2], height // 8, 8, width // 8, 8)
    coefficients = torch.einsum("ij,nbhjwk,lk->nbhiwl", basis, blocks, basis)
    rounded = torch.round(coefficients / table) * table
    restored = torch.einsum("ij,nbhiwl,lk->nbhjwk", basis, rounded, basis).flatten(4, 5).flatten(2, 3)
    result = images.clone()
    result[:, :, :height, :width] = ((restored + 128) / 255).clamp_(0, 1)
    return result


def _cosines() -> Tensor:
    """(8, 8) orthonormal DCT-II: row k holds the k-th cosine."""
    place = torch.arange(8, dtype=torch.float32)
    basis = torch.cos((2 * place[None] + 1) * place[:, None] * (math.pi / 16)) / 2
    basis[0] /= math.sqrt(2)
    return basis
