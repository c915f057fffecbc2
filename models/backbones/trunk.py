"""The base class of backbones: networks from tiles to a spatial map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from models.backbones.bands import adapt_conv


class Trunk(nn.Module):
    """Base of the backbones: (N, B, S, S) float32 normalised tiles to a (N, C, h, w) float32 map.

    channels: C of the map.
    first_conv: dotted name of the convolution whose input are the bands.
    weight_prefix: prefix of the keys in a weights file of a larger network.
    ignored_weights: prefixes of keys in a weights file of parts that a trunk does not have, for example a classifier.
    new_weights: prefixes of keys that a weights file may lack, because the published network does not have these parts.
    """

    first_conv: str
    weight_prefix: ClassVar[str] = ""
    ignored_weights: ClassVar[tuple[str, ...]] = ()
    new_weights: ClassVar[tuple[str, ...]] = ()

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    @property
    def bands(self) -> int:
        """Number of bands that the first convolution takes."""
        return self._conv().in_channels

    def adapt_bands(self, bands: int) -> None:
        """Make the first convolution take `bands` bands, with adapted weights (see `bands.adapt_weight`).

        Raises:
            ValueError: bands < 1.
        """
        self.set_submodule(self.first_conv, adapt_conv(self._conv(), bands))

    def convert_weights(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors of a weights file by this trunk's names. The default is the file's own names."""
        return dict(state)

    def forward(self, tiles: Tensor) -> Tensor:
        """(N, B, S, S) float32 to (N, C, h, w) float32."""
        raise NotImplementedError

    def _conv(self) -> nn.Conv2d:
        conv = self.get_submodule(self.first_conv)
        if not isinstance(conv, nn.Conv2d):
            raise TypeError(f"{self.first_conv} of {type(self).__name__} is not a convolution")
        return conv
