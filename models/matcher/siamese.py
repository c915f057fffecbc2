"""The Siamese baseline of the residual-dyad paper (section VI-B): encoder and discriminator trained end to end.

"The encoder and discriminator follow the same architecture as used in ResDyadAE and ResDyadDML", and it begins "with the
pre-trained weights of the ResDyadAE".
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from models.backbones.autoencoder import Autoencoder
from models.backbones.trunk import Trunk
from models.matcher.networks import HIDDEN, PairMatcher, ResDyadDML


class Siamese(nn.Module):
    """One trunk for both tiles of a pair, and a matcher over its two maps, trained together."""

    def __init__(self, trunk: Trunk, matcher: PairMatcher) -> None:
        super().__init__()
        self.trunk = trunk
        self.matcher = matcher

    @classmethod
    def from_autoencoder(cls, autoencoder: Autoencoder, size: int, *, hidden: int = HIDDEN) -> Siamese:
        """Start from a copy of a trained autoencoder's encoder.

        size: of the tiles in pixels, a multiple of the encoder's reduction.

        Raises:
            ValueError: it is not a multiple.
        """
        trunk = copy.deepcopy(autoencoder.encoder)
        side, rest = divmod(size, trunk.reduction)
        if rest or side < 1:
            raise ValueError(f"tiles of {size} pixels: the size must be a multiple of {trunk.reduction}")
        return cls(trunk, ResDyadDML((trunk.channels, side, side), hidden=hidden))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Compare pairs of tiles: (N, B, S, S) float32 normalised, twice, to (N, 2) logits: no match, match."""
        # One pass over both, so that batch norm sees them as one batch.
        maps: Tensor = self.trunk(torch.cat((first, second)))
        query, candidate = maps.chunk(2)
        logits: Tensor = self.matcher(query, candidate)
        return logits
