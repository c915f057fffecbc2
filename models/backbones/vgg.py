"""VGG-16 through torchvision, up to its last map."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torchvision.models import vgg

from models.backbones.blocks import init_convs
from models.backbones.trunk import Trunk

WIDTH = 64


class VGG16Trunk(Trunk):
    """The convolutional part of torchvision's VGG-16 (14.7 M of its 138 M parameters), with its names.

    The map is (N, 8 w, S // 32, S // 32), w the width: 512 x 8 x 8 at 256 pixels.

    width: channels of the first stage, 64 in the paper of Simonyan and Zisserman, which published weights need.
    """

    first_conv: str = "features.0"
    ignored_weights: ClassVar[tuple[str, ...]] = ("classifier.",)

    def __init__(self, *, width: int = WIDTH, bands: int = 3) -> None:
        super().__init__(channels=8 * width)
        # `torchvision.models.vgg16()` would first allocate the unused classifier, half a gigabyte.
        self.features: nn.Sequential = vgg.make_layers([_scaled(part, width) for part in vgg.cfgs["D"]])
        init_convs(self, "fan_out")
        self.adapt_bands(bands)

    def forward(self, tiles: Tensor) -> Tensor:
        """(N, B, S, S) float32, S >= 32, to (N, 8 w, S // 32, S // 32) float32, values >= 0."""
        out: Tensor = self.features(tiles)
        return out


def _scaled(part: int | str, width: int) -> int | str:
    """The scaled channels of a layer, or the "M" of a pooling."""
    return part * width // WIDTH if isinstance(part, int) else part
