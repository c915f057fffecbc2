"""GoogLeNet through torchvision, up to its last map."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torchvision.models import googlenet

from models.backbones.trunk import Trunk

_HEAD = ("avgpool", "dropout", "fc", "aux1", "aux2")
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


class GoogLeNetTrunk(Trunk):
    """torchvision's GoogLeNet without its classifiers (5.6 M parameters), with its names.

    The map is (N, 1024, S / 32, S / 32), 1024 x 8 x 8 at 256 pixels.

    input_scale, input_shift: (B,) applied to the tiles first. torchvision's published weights, ported from another library,
    were trained on (x - 0.5) / 0.5 where all its other networks take ImageNet's mean and deviation: `use_published_input`.
    """

    first_conv: str = "conv1.conv"
    ignored_weights: ClassVar[tuple[str, ...]] = ("fc.", "aux1.", "aux2.")
    new_weights: ClassVar[tuple[str, ...]] = ("input_",)
    input_scale: Tensor
    input_shift: Tensor

    def __init__(self, *, bands: int = 3) -> None:
        super().__init__(channels=1024)
        network = googlenet(weights=None, aux_logits=False, init_weights=True)
        for name, part in network.named_children():
            if name not in _HEAD:
                self.add_module(name, part)
        self.register_buffer("input_scale", torch.ones(3))
        self.register_buffer("input_shift", torch.zeros(3))
        self.adapt_bands(bands)

    def adapt_bands(self, bands: int) -> None:
        """Adapt the first convolution; band j takes the input scale and shift of old band j mod B."""
        old = self.bands
        super().adapt_bands(bands)
        source = torch.arange(bands) % old
        self.register_buffer("input_scale", self.input_scale[source])
        self.register_buffer("input_shift", self.input_shift[source])

    def use_published_input(self) -> None:
        """Convert tiles normalised by ImageNet's mean and deviation to the input of torchvision's published weights."""
        source = torch.arange(self.bands) % 3
        mean, std = torch.tensor(_IMAGENET_MEAN), torch.tensor(_IMAGENET_STD)
        self.input_scale.copy_((std / 0.5)[source])
        self.input_shift.copy_(((mean - 0.5) / 0.5)[source])

    def forward(self, tiles: Tensor) -> Tensor:
        """(N, B, S, S) float32 to (N, 1024, h, w) float32, values >= 0; h = w = S / 32, rounded up at most steps."""
        x = tiles * self.input_scale[:, None, None] + self.input_shift[:, None, None]
        for part in self.children():
            x = part(x)
        return x
