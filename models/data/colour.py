"""Photometric augmentation of a batch as one affine map of the bands per image.

Brightness, contrast, saturation, hue, greyscale and dropped bands are affine in a pixel's bands, so that their product is one
(B, B) matrix and one offset per image: one pass over the pixels instead of six, for any number of bands. Unlike in
torchvision's `ColorJitter`, values are clamped once at the end, and hue is rotated about the grey axis (as in YIQ) instead of
in HSV.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)


def luma_weights(bands: int) -> Tensor:
    """(B,) float32, sum 1: ITU-R 601 for three bands, equal weights otherwise."""
    return torch.tensor(LUMA) if bands == 3 else torch.full((bands,), 1 / bands)


def saturation_matrix(factor: Tensor, bands: int) -> Tensor:
    """(N, B, B): x -> factor * x + (1 - factor) * luma(x); factor (N,), 0 is grey, 1 changes nothing."""
    to_grey = luma_weights(bands).expand(bands, bands)
    return factor[:, None, None] * torch.eye(bands) + (1 - factor[:, None, None]) * to_grey


def hue_matrix(turn: Tensor) -> Tensor:
    """(N, 3, 3): RGB turned about the grey axis in YIQ, keeping luma; turn (N,), 1 is the full circle."""
    to_yiq = torch.tensor([LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])
    angle = turn * (2 * math.pi)
    rotation = torch.zeros(len(turn), 3, 3)
    rotation[:, 0, 0] = 1
    rotation[:, 1, 1] = rotation[:, 2, 2] = torch.cos(angle)
    rotation[:, 2, 1] = torch.sin(angle)
    rotation[:, 1, 2] = -rotation[:, 2, 1]
    turned: Tensor = torch.linalg.inv(to_yiq) @ rotation @ to_yiq
    return turned


def greyscale_matrix(bands: int) -> Tensor:
    """(B, B): every band becomes the mean of all."""
    return torch.full((bands, bands), 1 / bands)


def dropout_matrix(dropped: Tensor) -> Tensor:
    """(N, B, B): a dropped band becomes the mean of the others; dropped (N, B) bool. A single band is not dropped."""
    bands = dropped.shape[1]
    keep = torch.eye(bands)
    if bands == 1:
        return keep.expand(len(dropped), 1, 1)
    return torch.where(dropped[:, :, None], (1 - keep) / (bands - 1), keep)


def around_one(count: int, width: float, generator: torch.Generator | None) -> Tensor:
    """(N,) float32 uniform in 1 +- `width`."""
    return 1 + (torch.rand(count, generator=generator) * 2 - 1) * width


def apply_colour(images: Tensor, matrices: Tensor, contrast: Tensor) -> Tensor:
    """`clamp(contrast * M x + (1 - contrast) * mean luma of M x, 0, 1)` for each image.

    images: (N, B, H, W) float32 in 0..1. matrices: (N, B, B). contrast: (N,). Returns the same shape.
    """
    count, bands, height, width = images.shape
    device, weights = images.device, luma_weights(images.shape[1])
    matrices, contrast, weights = (each.to(device, non_blocking=True) for each in (matrices, contrast, weights))
    flat = images.reshape(count, bands, height * width)
    mean = (matrices @ flat.mean(dim=2, keepdim=True)).squeeze(2) @ weights  # (N,)
    offset = ((1 - contrast) * mean)[:, None, None].expand(count, bands, 1)
    result = torch.baddbmm(offset, matrices * contrast[:, None, None], flat)
    return result.clamp_(0, 1).view(count, bands, height, width)
