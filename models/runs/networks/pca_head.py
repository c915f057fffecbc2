"""A head by principal component analysis, for an encoder that was trained without one."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from models.backbones.encoder import Encoder
from models.backbones.trunk import Trunk
from models.data.samplers import Indices
from models.training.encoding import encode_images
from models.training.transforms import Preparation

SAMPLE = 2048


@torch.no_grad()
def with_fitted_head(
    trunk: Trunk, preparation: Preparation, pixels: NDArray[np.uint8], rows: Indices, dimension: int, seed: int = 0
) -> Encoder:
    """An encoder whose head projects the centred pooled features to their principal components.

    No other linear map to D dimensions preserves distances between features better. dimension: D, at most the number of
    channels is used. pixels: (N, S, S, B) uint8. rows: images to fit on, of which `SAMPLE` are drawn. The trunk is not copied.
    """
    device = next(trunk.parameters()).device
    encoder = Encoder(trunk, min(dimension, trunk.channels)).to(device)
    chosen = np.sort(np.random.default_rng(seed).permutation(rows)[:SAMPLE])
    maps = encode_images(encoder, preparation, pixels, chosen, with_maps=True, device=device).maps
    if maps is None:
        raise TypeError("encode_images returned no maps")
    features = maps.astype(np.float64).mean(axis=(2, 3))
    mean = features.mean(axis=0)
    _, vectors = np.linalg.eigh(np.cov(features, rowvar=False))
    axes = vectors[:, ::-1][:, : encoder.dimension].T
    encoder.head.weight.copy_(torch.from_numpy(np.ascontiguousarray(axes)))
    encoder.head.bias.copy_(torch.from_numpy(-axes @ mean))
    return encoder.eval()
