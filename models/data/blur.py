"""Gaussian blur of a batch, with a different sigma for each image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def gaussian_blur(images: Tensor, sigmas: Tensor, radius: int) -> Tensor:
    """Blur (N, B, H, W) float images by separable kernels of 2 * radius + 1 taps, the outside mirrored.

    sigmas: (N,) float32 > 0, in pixels. Every pass is a weighted sum of shifted views: on a CPU several times faster than a
    grouped convolution with N kernels. (torchvision's blur takes one sigma for a batch.)
    """
    taps = torch.arange(-radius, radius + 1, dtype=torch.float32)
    kernels = torch.exp(-0.5 * (taps[None] / sigmas[:, None].cpu()) ** 2)
    kernels = (kernels / kernels.sum(dim=1, keepdim=True)).to(images.device, images.dtype)
    padded = functional.pad(images, (radius, radius, radius, radius), mode="reflect")
    return _weighted_sum(_weighted_sum(padded, kernels, dim=3), kernels, dim=2)


def _weighted_sum(padded: Tensor, kernels: Tensor, dim: int) -> Tensor:
    length = padded.shape[dim] - kernels.shape[1] + 1
    result = padded.narrow(dim, 0, length) * kernels[:, 0, None, None, None]
    for tap in range(1, kernels.shape[1]):
        result.addcmul_(padded.narrow(dim, tap, length), kernels[:, tap, None, None, None])
    return result
