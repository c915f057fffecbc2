"""Encode images with a trained encoder, in batches."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.backbones.encoder import Encoder
from models.data.samplers import Indices
from models.training.transforms import Preparation, augment

LARGEST = torch.finfo(torch.float16).max


class Encoded(NamedTuple):
    """N encoded images: embeddings (N, D) float32, L2-normalised; maps (N, C, h, w) float16, None unless requested.

    Values of maps beyond the range of float16, which an untrained network may give, are clipped to it.
    """

    embeddings: NDArray[np.float32]
    maps: NDArray[np.float16] | None


@torch.no_grad()
def encode_images(
    encoder: Encoder,
    preparation: Preparation,
    pixels: NDArray[np.uint8],
    rows: Indices,
    *,
    with_maps: bool = False,
    view: int = 0,
    batch_size: int = 128,
    device: torch.device | None = None,
) -> Encoded:
    """Encode `pixels[rows]` in evaluation mode; the mode of both modules is restored.

    pixels: (N, S, S, B) uint8. rows: (M,) int64, at least one. view: 0 for no augmentation; another number augments the images
    as in training, reproducibly. device: of the modules, None for the CPU.
    """
    modules: tuple[nn.Module, ...] = (encoder, preparation)
    modes = [module.training for module in modules]
    for module in modules:
        module.eval()
    generator = torch.Generator().manual_seed(view)
    embeddings, maps = [], []
    for start in range(0, len(rows), batch_size):
        images = torch.from_numpy(pixels[rows[start : start + batch_size]]).permute(0, 3, 1, 2)
        images = images.to(device or torch.device("cpu"))
        values = augment(images, preparation.augmentation, generator) if view else preparation.pixels(images)
        output = encoder(preparation.normalise(values))
        embeddings.append(output.embedding.float().cpu().numpy())
        if with_maps:
            maps.append(output.map.clamp(-LARGEST, LARGEST).half().cpu().contiguous().numpy())
    for module, mode in zip(modules, modes, strict=True):
        module.train(mode)
    return Encoded(np.concatenate(embeddings), np.concatenate(maps) if with_maps else None)
