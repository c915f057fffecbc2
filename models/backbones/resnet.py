"""ResNet-18 and ResNet-50 from torchvision's blocks, of any width and any number of bands."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, conv1x1

from models.backbones.blocks import init_convs
from models.backbones.trunk import Trunk

WIDTH = 64


class ResNetTrunk(Trunk):
    """torchvision's ResNet up to the last map, with its parameter names, so that its weights fit at width 64.

    The map is (N, 8 w, S / 32, S / 32), or (N, 32 w, ...) for depth 50, w the width: 512 x 8 x 8 for ResNet-18 at 256 pixels.

    width: channels of the first stage, 64 in the paper of He et al. ResNet-18 has 11.2 M parameters at 64, 6.3 M at 48.
    """

    first_conv: str = "conv1"
    ignored_weights: ClassVar[tuple[str, ...]] = ("fc.",)

    def __init__(self, depth: Literal[18, 50] = 18, *, width: int = WIDTH, bands: int = 3) -> None:
        block, counts = (BasicBlock, (2, 2, 2, 2)) if depth == 18 else (Bottleneck, (3, 4, 6, 3))
        super().__init__(channels=8 * width * block.expansion)
        self.conv1 = nn.Conv2d(bands, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = _stage(block, width, width, counts[0], stride=1)
        self.layer2 = _stage(block, width * block.expansion, 2 * width, counts[1], stride=2)
        self.layer3 = _stage(block, 2 * width * block.expansion, 4 * width, counts[2], stride=2)
        self.layer4 = _stage(block, 4 * width * block.expansion, 8 * width, counts[3], stride=2)
        init_convs(self, "fan_out")

    def forward(self, tiles: Tensor) -> Tensor:
        """(N, B, S, S) float32 to (N, C, ceil(S / 32), ceil(S / 32)) float32, values >= 0."""
        x = self.stem(tiles)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x

    def stem(self, tiles: Tensor) -> Tensor:
        """(N, B, S, S) to (N, width, S / 4, S / 4)."""
        x: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(tiles))))
        return x


def _stage(block: Any, inputs: int, planes: int, count: int, stride: int) -> nn.Sequential:
    outputs = planes * block.expansion
    downsample = None
    if stride != 1 or inputs != outputs:
        downsample = nn.Sequential(conv1x1(inputs, outputs, stride), nn.BatchNorm2d(outputs))
    first = block(inputs, planes, stride, downsample)
    return nn.Sequential(first, *(block(outputs, planes) for _ in range(count - 1)))
