"""The uniform encoder: a trunk, a pooled feature, and a head to an L2-normalised embedding."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.backbones.trunk import Trunk

DIMENSION = 128
"""D of both HR-S2DML (section 4.2) and the service's index."""


class EncoderOutput(NamedTuple):
    """Outputs of an encoder for N tiles.

    embedding: (N, D) float32, L2-normalised: f_i = F(x_i) / ||F(x_i)||_2 (HR-S2DML, section 3).
    feature: (N, F) the spatial mean of the map, which a linear head projects to the embedding.
    map: (N, F, h, w) the trunk's last map, the input of matchers.
    """

    embedding: Tensor
    feature: Tensor
    map: Tensor


class Encoder(nn.Module):
    """A trunk and a linear head to D dimensions."""

    def __init__(self, trunk: Trunk, dimension: int = DIMENSION) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(trunk.channels, dimension)

    @property
    def bands(self) -> int:
        """B, the number of input bands."""
        return self.trunk.bands

    @property
    def dimension(self) -> int:
        """D of the embedding."""
        return self.head.out_features

    @property
    def feature_dimension(self) -> int:
        """F of the pooled feature."""
        return self.head.in_features

    def forward(self, tiles: Tensor) -> EncoderOutput:
        """Encode a batch.

        tiles: (N, B, S, S) float32, normalised per band.

        Raises:
            ValueError: the tiles have another number of bands.
        """
        self.check_bands(tiles)
        map_ = self.map_of(tiles)
        feature = map_.mean(dim=(2, 3))
        return EncoderOutput(self.project(feature), feature, map_)

    def check_bands(self, tiles: Tensor) -> None:
        """Raise ValueError unless the tiles are (N, B, S, S)."""
        if tiles.ndim != 4 or tiles.shape[1] != self.bands:
            raise ValueError(f"tiles of shape {tuple(tiles.shape)}: this encoder takes (N, {self.bands}, S, S)")

    def map_of(self, tiles: Tensor) -> Tensor:
        """(N, F, h, w): the map that the encoder returns."""
        map_: Tensor = self.trunk(tiles)
        return map_

    def project(self, feature: Tensor) -> Tensor:
        """Embed pooled features: (N, F) to (N, D) float32, L2-normalised. With stored features a new head needs no images."""
        # Under autocast the head computes in half precision, in which a norm has only three exact digits.
        return functional.normalize(self.project_unnormalised(feature), dim=1)

    def project_unnormalised(self, feature: Tensor) -> Tensor:
        """F(x) of HR-S2DML, the embedding before its L2 normalisation: (N, F) to (N, D) float32."""
        projected: Tensor = self.head(feature)
        return projected.float()

    @torch.no_grad()
    def map_shape(self, size: int) -> tuple[int, int, int]:
        """(C, h, w) of the map of a tile of `size` x `size` pixels."""
        was_training = self.training
        self.eval()
        try:
            parameter = self.head.weight
            tile = torch.zeros(1, self.bands, size, size, device=parameter.device, dtype=parameter.dtype)
            _, channels, height, width = self.map_of(tile).shape
        finally:
            self.train(was_training)
        return channels, height, width
