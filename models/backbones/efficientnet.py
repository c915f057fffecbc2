"""EfficientNet-Lite in two parts: up to a middle map, and from there to the last one.

The middle map sees patterns that the last one has collapsed into classes, so it also describes classes that training lacked.
"""

from __future__ import annotations

from torch import Tensor, nn

from models.backbones.timm_trunk import TimmTrunk

MIDDLE = 5
"""Stages of the lower part, of seven; its map has a sixteenth of the tile's size per side."""


class EfficientNetTrunk(TimmTrunk):
    """A timm EfficientNet: (N, B, S, S) to a (N, C, S / 32, S / 32) map, by way of a (N, M, S / 16, S / 16) middle map.

    middle_channels: M, for example 112. The other arguments are those of `TimmTrunk`.
    """

    def __init__(self, architecture: str, *, bands: int = 3) -> None:
        super().__init__(architecture, bands=bands)
        self.middle_channels = int(self.network.blocks[MIDDLE - 1][-1].conv_pwl.out_channels)

    def lower(self, tiles: Tensor) -> Tensor:
        """(N, B, S, S) float32 to the (N, M, S / 16, S / 16) middle map."""
        x: Tensor = self.network.bn1(self.network.conv_stem(tiles))
        for stage in self.network.blocks[:MIDDLE]:
            x = stage(x)
        return x

    def upper(self, middle: Tensor) -> Tensor:
        """(N, M, S / 16, S / 16) float32 middle map to the (N, C, S / 32, S / 32) last map."""
        x = middle
        for stage in self.network.blocks[MIDDLE:]:
            x = stage(x)
        last: Tensor = self.network.bn2(self.network.conv_head(x))
        return last

    def upper_modules(self) -> nn.ModuleList:
        """The modules of the upper part, which share their parameters with the trunk."""
        return nn.ModuleList([*self.network.blocks[MIDDLE:], self.network.conv_head, self.network.bn2])

    def forward(self, tiles: Tensor) -> Tensor:
        """(N, B, S, S) float32 to (N, C, S / 32, S / 32) float32."""
        return self.upper(self.lower(tiles))
