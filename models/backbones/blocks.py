"""Residual blocks of the residual-dyad paper (section IV-B, figure 3).

The names of the paper's figure: (a) standard residual block, `ResidualBlock`; (b) full pre-activation block (equation 10),
`IdentityBlock`; (c) the residual-dyad, `ResDyad`, which is (b), block A, followed by `ConvShortcutBlock`, block B.

All map (N, C_in, h, w) float32 to (N, C_out, h', w') float32; h' = ceil(h / stride), or h * stride where `transposed`.
"""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor, nn


def conv(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, transposed: bool = False) -> nn.Module:
    """A convolution without bias, padded so that only the stride changes the size.

    transposed: a transposed convolution, whose output is exactly `stride` times larger.
    """
    padding = kernel // 2
    if transposed:
        return nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding, output_padding=stride - 1, bias=False)
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)


def init_convs(module: nn.Module, mode: Literal["fan_in", "fan_out"] = "fan_in") -> None:
    """He initialisation of every convolution of `module`.

    mode: fan_in keeps the scale of activations, fan_out that of gradients, as in torchvision's ResNets and VGGs. A decoder
    needs fan_in: with fan_out its activations grow as its channels decrease.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode=mode, nonlinearity="relu")
        elif isinstance(part, nn.ConvTranspose2d):
            # with strides an output sums in * kh * kw / stride^2 terms, which torch's fans do not consider
            terms = part.in_channels * math.prod(part.kernel_size) / math.prod(part.stride)
            nn.init.normal_(part.weight, std=math.sqrt(2 / terms))


class ResidualFunction(nn.Sequential):
    """The residual function F of equations 10 and 11: twice batch norm, ReLU, 3 x 3 convolution.

    The stride, and the change of channels, are in the first convolution.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, transposed: bool = False) -> None:
        super().__init__(
            nn.BatchNorm2d(inputs),
            nn.ReLU(inplace=True),
            conv(inputs, outputs, stride=stride, transposed=transposed),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            conv(outputs, outputs),
        )


class ResidualBlock(nn.Module):
    """The standard residual block, figure 3a: the activation comes after the addition.

    relu(shortcut(x) + bn(conv(relu(bn(conv(x)))))); the shortcut is the identity, or a 1 x 1 convolution with batch norm
    where the stride or the channels change.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            conv(inputs, outputs, stride=stride),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            conv(outputs, outputs),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(conv(inputs, outputs, kernel=1, stride=stride), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, h, w) to (N, C_out, ceil(h / stride), ceil(w / stride)), all values >= 0."""
        out: Tensor = self.shortcut(x) + self.residual(x)
        return out.relu()


class IdentityBlock(nn.Module):
    """The full pre-activation block, figure 3b and equation 10: varphi = phi + F(phi). Stride 1, channels unchanged."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.residual = ResidualFunction(channels, channels)

    def forward(self, phi: Tensor) -> Tensor:
        """(N, C, h, w) to the same shape."""
        out: Tensor = phi + self.residual(phi)
        return out


class ConvShortcutBlock(nn.Module):
    """The conv-shortcut block, equation 11: phi_next = H(varphi) + F(varphi).

    H is a single convolution: linear, without batch norm and bias. The paper gives the filters of both blocks of a dyad as
    3 x 3 and makes no exception for H, hence the default; `shortcut_kernel=1` is the shortcut of He et al. (2016).
    """

    def __init__(
        self, inputs: int, outputs: int, *, stride: int = 2, transposed: bool = False, shortcut_kernel: int = 3
    ) -> None:
        super().__init__()
        self.shortcut = conv(inputs, outputs, kernel=shortcut_kernel, stride=stride, transposed=transposed)
        self.residual = ResidualFunction(inputs, outputs, stride=stride, transposed=transposed)

    def forward(self, varphi: Tensor) -> Tensor:
        """(N, C_in, h, w) to (N, C_out, h', w')."""
        out: Tensor = self.shortcut(varphi) + self.residual(varphi)
        return out


class ResDyad(nn.Module):
    """The residual-dyad, figure 3c and equation 12: block A (equation 10, stride 1), then block B (equation 11, stride 2).

    phi_next = H(varphi) + F_B(varphi) with varphi = phi + F_A(phi). Equation 12 writes this out over the sum. For H, which
    is linear, that is exact: H(phi + F_A(phi)) = H(phi) + H(F_A(phi)), so every path to the output, the shortcut's too,
    passes a convolution. For F_B, which is not, it names the paths; what is computed is the composition of 10 and 11.

    transposed: upsample by `stride` instead, as the decoder does.
    """

    def __init__(
        self, inputs: int, outputs: int, *, stride: int = 2, transposed: bool = False, shortcut_kernel: int = 3
    ) -> None:
        super().__init__()
        self.block_a = IdentityBlock(inputs)
        self.block_b = ConvShortcutBlock(inputs, outputs, stride=stride, transposed=transposed, shortcut_kernel=shortcut_kernel)

    def forward(self, phi: Tensor) -> Tensor:
        """(N, C_in, h, w) to (N, C_out, h', w')."""
        out: Tensor = self.block_b(self.block_a(phi))
        return out
