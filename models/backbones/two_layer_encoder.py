"""An encoder that keeps what its backbone knew: classes that it was taught beside statistics that were learned without labels.

A head that was taught classes finds these best; pooled features of the last and of a middle layer find classes that
training did not include. The feature joins both, and a linear head projects it to the embedding as in `Encoder`.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.backbones.efficientnet import EfficientNetTrunk
from models.backbones.encoder import Encoder, EncoderOutput

TAUGHT, KEPT = 128, 256
"""Dimensions of the two parts of the feature: the class head's output, and the whitened statistics."""
_WHITENING = 0.5
"""Power of the standard deviation by which components are divided: 0 is plain PCA, 1 full whitening."""
_POOLED = 2
"""Pixels of the middle map per side of a place of the encoder's map."""
_SMALLEST = 1e-5


class TwoLayerEncoder(Encoder):
    """Feature (N, 128 + 256): the class head's unit vector times `balance`, then the whitened statistics' unit vector.

    The statistics are the mean of the last map and the mean and standard deviation of the middle map, (N, C + 2 M), each part
    centred and L2-normalised. The encoder's map is the middle map, averaged over 2 x 2 pixels, which matchers compare.
    """

    centre_last: Tensor
    centre_middle: Tensor
    balance: Tensor

    def __init__(self, trunk: EfficientNetTrunk, dimension: int) -> None:
        super().__init__(trunk, dimension)
        self.trunk: EfficientNetTrunk = trunk
        statistics = 2 * trunk.middle_channels
        self.taught = nn.Linear(trunk.channels, TAUGHT)
        self.kept = nn.Linear(trunk.channels + statistics, KEPT)
        self.head = nn.Linear(TAUGHT + KEPT, dimension)
        self.register_buffer("centre_last", torch.zeros(trunk.channels))
        self.register_buffer("centre_middle", torch.zeros(statistics))
        self.register_buffer("balance", torch.ones(()))

    def forward(self, tiles: Tensor) -> EncoderOutput:
        """As `Encoder.forward`; the map is (N, M, S / 32, S / 32).

        Raises:
            ValueError: the tiles have another number of bands.
        """
        self.check_bands(tiles)
        return self.from_middle(self.trunk.lower(tiles))

    def from_middle(self, middle: Tensor) -> EncoderOutput:
        """The output for (N, M, S / 16, S / 16) float32 middle maps, which `trunk.lower` computes."""
        last = self.trunk.upper(middle).mean(dim=(2, 3))
        feature = self.join(last, middle_statistics(middle))
        return EncoderOutput(self.project(feature), feature, self.places(middle))

    def join(self, last: Tensor, middle: Tensor) -> Tensor:
        """Pooled last maps (N, C) and statistics of middle maps (N, 2 M) to the (N, F) feature."""
        taught = functional.normalize(self.taught(last), dim=1)
        kept = functional.normalize(self.kept(self.statistics(last, middle)), dim=1)
        return torch.cat((self.balance * taught, kept), dim=1)

    def statistics(self, last: Tensor, middle: Tensor) -> Tensor:
        """(N, C) and (N, 2 M), each centred and L2-normalised, side by side: (N, C + 2 M)."""
        parts = (last - self.centre_last, middle - self.centre_middle)
        return torch.cat([functional.normalize(part, dim=1) for part in parts], dim=1)

    def places(self, middle: Tensor) -> Tensor:
        """(N, M, S / 16, S / 16) middle maps to the encoder's map, (N, M, S / 32, S / 32)."""
        return functional.avg_pool2d(middle, _POOLED)

    def map_of(self, tiles: Tensor) -> Tensor:
        """(N, M, S / 32, S / 32): the map that the encoder returns."""
        return self.places(self.trunk.lower(tiles))

    @torch.no_grad()
    def fit_without_labels(self, last: Tensor, middle: Tensor, *, balance: float) -> None:
        """Fit centres, whitening and the head to training tiles; labels are not used. Train `taught` before.

        last: (N, C) pooled last maps, middle: (N, 2 M) statistics, float32, N above the embedding's dimension. balance: length
        of the class head's part in the feature; that of the other part is 1.
        """
        self.centre_last.copy_(last.mean(0))
        self.centre_middle.copy_(middle.mean(0))
        self.balance.fill_(balance)
        _set(self.kept, self.statistics(last, middle), _WHITENING)
        _set(self.head, self.join(last, middle), 0.0)


def middle_statistics(middle: Tensor) -> Tensor:
    """Mean and standard deviation over the pixels of (N, M, h, w) maps: (N, 2 M)."""
    mean = middle.mean(dim=(2, 3))
    variance = (middle * middle).mean(dim=(2, 3)) - mean * mean
    return torch.cat((mean, variance.clamp(min=_SMALLEST).sqrt()), dim=1)


def _set(layer: nn.Linear, sample: Tensor, whitening: float) -> None:
    """Make a layer the PCA of a (N, I) sample, its components divided by their standard deviation to a power."""
    axes, mean = principal_axes(sample.double().cpu().numpy(), layer.out_features, whitening)
    layer.weight.copy_(torch.from_numpy(axes))
    layer.bias.copy_(torch.from_numpy(-axes @ mean))


def principal_axes(
    sample: NDArray[np.float64], count: int, whitening: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The first `count` principal axes of a (N, I) sample, (count, I), divided by deviation ** whitening, and its (I,) mean.

    Raises:
        ValueError: the sample has fewer than `count` rows or columns.
    """
    if min(sample.shape) < count:
        raise ValueError(f"a sample of {sample.shape} has fewer than {count} principal axes; use more tiles")
    mean = sample.mean(axis=0)
    centred = sample - mean
    values, vectors = np.linalg.eigh(centred.T @ centred / len(sample))
    values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    deviation = np.sqrt(np.maximum(values, values[0] * 1e-9))
    return np.ascontiguousarray((vectors / deviation**whitening).T), mean
