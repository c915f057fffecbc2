"""Geometric augmentation of a batch: symmetries of the square without resampling, everything else as one affine resampling."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def dihedral(images: Tensor, codes: Tensor) -> Tensor:
    """Apply one of the square's eight symmetries to every image, without resampling.

    images: (N, B, S, S), any dtype; for codes that turn, square. codes: (N,) int64 in 0..7: quarter turns (bits 0, 1),
    then mirrored left-right (bit 2). Returns a new tensor, or `images` itself where all codes are 0.
    """
    if not bool(codes.any()):
        return images
    result = torch.empty_like(images)
    for code in sorted(set(codes.tolist())):
        chosen = (codes == code).nonzero(as_tuple=True)[0].to(images.device)
        turned = torch.rot90(images.index_select(0, chosen), code & 3, (2, 3))
        result.index_copy_(0, chosen, turned.flip(3) if code & 4 else turned)
    return result


def warp(images: Tensor, matrices: Tensor, size: tuple[int, int]) -> Tensor:
    """Resample each image by its own affine map, bilinear, the outside mirrored.

    images: (N, B, H, W) float. matrices: (N, 2, 3) float32, from the output's to the input's coordinates, both -1..1 from
    edge to edge, x before y. size: height and width of the result.
    """
    matrices = matrices.to(images.device, non_blocking=True)
    xs, ys = (_pixel_centres(length, images.device) for length in reversed(size))
    # a sum of a row and a column term is ten times faster than the small matrix products of `affine_grid`
    row = xs[None, :, None] * matrices[:, None, :, 0] + matrices[:, None, :, 2]
    column = ys[None, :, None] * matrices[:, None, :, 1]
    grid = row[:, None, :, :] + column[:, :, None, :]
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def random_rotation(count: int, degrees: float, generator: torch.Generator | None) -> Tensor:
    """(N, 2, 3) float32 for `warp`: a turn about the centre by an angle uniform within +-`degrees`."""
    angle = _uniform(count, -degrees, degrees, generator) * (math.pi / 180)
    cos, sin, zero = torch.cos(angle), torch.sin(angle), torch.zeros(count)
    return torch.stack((torch.stack((cos, -sin, zero), dim=1), torch.stack((sin, cos, zero), dim=1)), dim=1)


def random_crop(
    count: int, *, area: tuple[float, float], ratio: tuple[float, float], generator: torch.Generator | None
) -> Tensor:
    """(N, 2, 3) float32 for `warp`: a random box inside the image, stretched to the whole output.

    area: the box's share of the image, uniform. ratio: its width over its height, log-uniform; sides are cut at the image's.
    """
    share = _uniform(count, *area, generator)
    stretch = torch.exp(_uniform(count, math.log(ratio[0]), math.log(ratio[1]), generator))
    width, height = torch.sqrt(share * stretch).clamp(max=1), torch.sqrt(share / stretch).clamp(max=1)
    x, y = (1 - width) * _uniform(count, -1, 1, generator), (1 - height) * _uniform(count, -1, 1, generator)
    zero = torch.zeros(count)
    return torch.stack((torch.stack((width, zero, x), 1), torch.stack((zero, height, y), 1)), dim=1)


def compose(outer: Tensor, inner: Tensor) -> Tensor:
    """The (N, 2, 3) map that applies `inner` and then `outer` to the output's coordinates."""
    linear = outer[:, :, :2] @ inner[:, :, :2]
    return torch.cat((linear, outer[:, :, :2] @ inner[:, :, 2:] + outer[:, :, 2:]), dim=2)


def _pixel_centres(length: int, device: torch.device) -> Tensor:
    return (torch.arange(length, device=device, dtype=torch.float32) * 2 + 1) / length - 1


def _uniform(count: int, low: float, high: float, generator: torch.Generator | None) -> Tensor:
    return torch.rand(count, generator=generator) * (high - low) + low
