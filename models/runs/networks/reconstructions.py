"""Images and their reconstructions by an autoencoder: figure 4 of residual-dyad."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from models.data.samplers import Indices
from models.evaluation.report.pictures import reconstruction_sheet
from models.runs.networks.train_autoencoder import TrainedAutoencoder

SHOWN = 8
"""Number of images on a sheet."""


@torch.no_grad()
def draw_reconstructions(trained: TrainedAutoencoder, pixels: NDArray[np.uint8], rows: Indices, name: str) -> Image.Image:
    """A few of the images `pixels[rows]`, each with the channels of its code that vary most and its reconstruction.

    pixels: (N, S, S, B) uint8. rows: (M,) int64, at least one. name: of the autoencoder, for people.
    """
    network, preparation = trained.network, trained.preparation
    shown = rows[np.unique(np.linspace(0, len(rows) - 1, SHOWN).round().astype(np.intp))]
    images = torch.from_numpy(pixels[shown]).permute(0, 3, 1, 2).to(preparation.mean.device)
    codes = network.encode(preparation(images))
    made = (network.decode(codes).float() * preparation.std + preparation.mean).clamp(0, 1)
    bytes_ = (255 * made).round().to(torch.uint8).permute(0, 2, 3, 1)
    return reconstruction_sheet(pixels[shown], {name: bytes_.cpu().numpy()}, codes.float().cpu().numpy())
