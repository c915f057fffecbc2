"""Residual attention, and a ResNet-18 with it.

After Wang et al. (2017), "Residual attention network for image classification": out = (1 + M(x)) * T(x), M a soft mask in
(0, 1) from a bottom-up, top-down branch. The metric-learning review recommends this family for retrieval (Cheng et al.,
2021); HR-S2DML itself uses a plain ResNet-18 and says that other backbones apply (section 4.2).
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from models.backbones.blocks import IdentityBlock, init_convs
from models.backbones.resnet import WIDTH, ResNetTrunk


class Hourglass(nn.Module):
    """The mask branch: halves the map `depth` times, then upsamples it, with a skip connection at every resolution between.

    (N, C, h, w) to the same shape.
    """

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.down = IdentityBlock(channels)
        self.inner = Hourglass(channels, depth - 1) if depth > 1 else None
        self.skip = IdentityBlock(channels) if depth > 1 else None
        self.up = IdentityBlock(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) to the same shape."""
        low: Tensor = self.down(self.pool(x))
        if self.inner is not None and self.skip is not None:
            low = self.inner(low) + self.skip(low)
        return functional.interpolate(self.up(low), size=x.shape[-2:], mode="bilinear", align_corners=False)


class ResidualAttention(nn.Module):
    """out = (1 + M(x)) * x: the trunk branch T is the stage before, whose output x is.

    The mask of a new module is 0.5 everywhere, which scales the output of pretrained stages by 1.5; the batch norms behind it
    adapt in training.

    channels: of the map. depth: number of times that the mask branch halves it.
    """

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        last = nn.Conv2d(channels, channels, kernel_size=1)
        self.mask = nn.Sequential(
            Hourglass(channels, depth),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, kernel_size=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            last,
            nn.Sigmoid(),
        )
        init_convs(self, "fan_out")
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias if last.bias is not None else last.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) to the same shape."""
        out: Tensor = (1 + self.mask(x)) * x
        return out


class ResidualAttentionTrunk(ResNetTrunk):
    """ResNet-18 with an attention module after each of its first three stages, of depth 3, 2 and 1 as in Wang et al.

    At 256 pixels the smallest map of each mask is 8 x 8. torchvision's ResNet-18 weights fit; attention starts untrained.
    """

    new_weights: ClassVar[tuple[str, ...]] = ("attention",)

    def __init__(self, *, width: int = WIDTH, bands: int = 3) -> None:
        super().__init__(18, width=width, bands=bands)
        self.attention1 = ResidualAttention(width, depth=3)
        self.attention2 = ResidualAttention(2 * width, depth=2)
        self.attention3 = ResidualAttention(4 * width, depth=1)

    def forward(self, tiles: Tensor) -> Tensor:
        """(N, B, S, S) float32 to (N, 8 width, ceil(S / 32), ceil(S / 32)) float32, values >= 0."""
        x = self.attention1(self.layer1(self.stem(tiles)))
        x = self.attention2(self.layer2(x))
        x = self.attention3(self.layer3(x))
        out: Tensor = self.layer4(x)
        return out
