"""Augment and normalise a whole batch at once by an `Augmentation`.

torchvision's transforms apply one random augmentation to a whole batch; here every image gets its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from models.data.blur import gaussian_blur
from models.data.colour import apply_colour, around_one, dropout_matrix, greyscale_matrix, hue_matrix, saturation_matrix
from models.data.geometry import compose, dihedral, random_crop, random_rotation, warp
from models.data.noise import add_noise, compress
from models.training.recipes.augmentation import NONE, Augmentation

LEAST_SIGMA = 0.1
JPEG_QUALITY = (30.0, 90.0)


class Preparation(nn.Module):
    """Prepares uint8 images for a network: augmented in training mode, and normalised.

    The bands' mean and standard deviation are buffers, so that they are saved with the weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float], augmentation: Augmentation = NONE) -> None:
        """mean, std: one number a band, on the 0..1 scale."""
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1))
        self.augmentation = augmentation

    def pixels(self, images: Tensor) -> Tensor:
        """(N, B, S, S) uint8 to float32 in 0..1, augmented in training mode, not normalised; draws from torch's global RNG."""
        return augment(images, self.augmentation) if self.training else to_unit(images)

    def normalise(self, pixels: Tensor) -> Tensor:
        """(N, B, S, S) float32 in 0..1 to `(x - mean) / std`, channels-last in memory."""
        return (pixels - self.mean).div_(self.std).contiguous(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """(N, B, S, S) uint8 to float32, augmented in training mode and normalised."""
        return self.normalise(self.pixels(images))


def to_unit(images: Tensor) -> Tensor:
    """(N, B, H, W) uint8 to float32 in 0..1."""
    return images.to(torch.float32).mul_(1 / 255)


def augment(images: Tensor, config: Augmentation, generator: torch.Generator | None = None) -> Tensor:
    """Augment a batch, each image independently.

    images: (N, B, S, S) uint8. generator: on the CPU, whatever the device of the images, so that the augmentation does not
    depend on it; None for torch's global one. Returns (N, B, S, S) float32 in 0..1, under autocast too: half precision is too
    coarse for colours.
    """
    with torch.autocast(images.device.type, enabled=False):
        return _augment(images, config, generator)


def _augment(images: Tensor, config: Augmentation, generator: torch.Generator | None) -> Tensor:
    result = to_unit(dihedral(images, _draw_codes(len(images), config, generator))).contiguous()
    if config.rotation or config.crop_scale != (1.0, 1.0):
        result = _move(result, config, generator)
    if any((config.brightness, config.contrast, config.saturation, config.hue, config.greyscale, config.band_dropout)):
        matrices, contrast = _draw_colours(result.shape[0], result.shape[1], config, generator)
        result = apply_colour(result, matrices, contrast)
    if config.blur:
        result = _blur(result, config, generator)
    if config.noise:
        result = add_noise(result, torch.rand(len(result), generator=generator) * config.noise, generator)
    if config.jpeg:
        result = _compress(result, config, generator)
    return result


def _draw_codes(count: int, config: Augmentation, generator: torch.Generator | None) -> Tensor:
    """(N,) codes for `dihedral`; a vertical flip is a half turn and a horizontal flip."""
    turns = (
        torch.randint(0, 4, (count,), generator=generator) if config.quarter_turns else torch.zeros(count, dtype=torch.int64)
    )
    horizontal = torch.rand(count, generator=generator) < config.horizontal_flip
    vertical = torch.rand(count, generator=generator) < config.vertical_flip
    return (turns + 2 * vertical) % 4 + 4 * (horizontal ^ vertical)


def _move(images: Tensor, config: Augmentation, generator: torch.Generator | None) -> Tensor:
    count = len(images)
    crop = random_crop(count, area=config.crop_scale, ratio=(1 / config.crop_ratio, config.crop_ratio), generator=generator)
    matrices = compose(random_rotation(count, config.rotation, generator), crop)
    return warp(images, matrices, (images.shape[2], images.shape[3]))


def _draw_colours(count: int, bands: int, config: Augmentation, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Matrices (N, B, B) and contrast factors (N,) for `apply_colour`; hue only where there are three bands."""
    brightness = around_one(count, config.brightness, generator)
    contrast = around_one(count, config.contrast, generator)
    matrices = saturation_matrix(around_one(count, config.saturation, generator), bands)
    turn = (around_one(count, 1.0, generator) - 1) * config.hue
    if bands == 3 and config.hue:
        matrices = hue_matrix(turn) @ matrices
    grey = torch.rand(count, generator=generator) < config.greyscale
    dropped = torch.rand((count, bands), generator=generator) < config.band_dropout
    matrices = dropout_matrix(dropped) @ matrices
    matrices = torch.where(grey[:, None, None], greyscale_matrix(bands) @ matrices, matrices)
    return matrices * brightness[:, None, None], contrast


def _blur(images: Tensor, config: Augmentation, generator: torch.Generator | None) -> Tensor:
    chosen = _draw_some(len(images), config.blur, generator)
    sigmas = torch.rand(len(images), generator=generator)[chosen] * (config.blur_sigma - LEAST_SIGMA) + LEAST_SIGMA
    radius = min(math.ceil(2.5 * config.blur_sigma), min(images.shape[2:]) - 1)
    return _replace(images, chosen, lambda some: gaussian_blur(some, sigmas, radius))


def _compress(images: Tensor, config: Augmentation, generator: torch.Generator | None) -> Tensor:
    chosen = _draw_some(len(images), config.jpeg, generator)
    low, high = JPEG_QUALITY
    quality = torch.rand(len(images), generator=generator)[chosen] * (high - low) + low
    return _replace(images, chosen, lambda some: compress(some, quality))


def _draw_some(count: int, probability: float, generator: torch.Generator | None) -> Tensor:
    return (torch.rand(count, generator=generator) < probability).nonzero(as_tuple=True)[0]


def _replace(images: Tensor, chosen: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    if not len(chosen):
        return images
    places = chosen.to(images.device)
    return images.index_copy_(0, places, change(images.index_select(0, places)))
