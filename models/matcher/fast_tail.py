"""The tail of a matcher over maps of 4 x 4, as matrix products: the same numbers with half the multiplications.

On 4 x 4 pixels a 3 x 3 convolution mostly multiplies padding, and small images do not fill a processor's vector registers:

- A convolution of stride 1 goes through Winograd's F(4 x 4, 3 x 3): 36 products a pair of channels instead of 144 (Lavin and
  Gray 2016). With pixels as the first axis its transforms are matrix products, too, and nothing is transposed in between.
- A convolution of stride 2 is a product for each of the 25 pairs of an output and an input pixel that a tap connects.
- On 2 x 2 pixels a convolution is one dense matrix, and the last one is folded into the linear layer behind it.
- Dequantisation and batch norms are folded into each other and into the convolutions before them.

Constants are computed in float64; the output differs from the plain tail by about 1e-6.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from models.backbones.blocks import ResDyad
from models.matcher.quantise import Quantisation
from models.matcher.split import SplitMatcher

SIDE, HALF = 4, 2
PIXELS = SIDE * SIDE

# F(4, 3) with the points 0, 1, -1, 2, -2 and infinity; the kernel's matrix in twenty-fourths.
_INPUT = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_KERNEL = ((6, 0, 0), (-4, -4, -4), (-4, 4, -4), (1, 2, 4), (1, -2, 4), (0, 0, 24))
_OUTPUT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))


def fits(matcher: SplitMatcher) -> bool:
    """Whether a matcher has a fast tail: a dyad over maps of 4 x 4."""
    return matcher.block == "dyad" and matcher.half_shape[1:] == (SIDE, SIDE)


class FastTail(nn.Module):
    """`SplitMatcher.tail` over stored candidate features, for inference.

    Raises:
        ValueError: the matcher does not fit (`fits`).
    """

    query_scale: Tensor
    query_shift: Tensor
    byte_scale: Tensor
    dense: Tensor
    head: Tensor
    head_bias: Tensor

    def __init__(self, matcher: SplitMatcher, stored: Quantisation) -> None:
        super().__init__()
        tail = matcher.tail_network
        if not fits(matcher) or not isinstance(tail.block, ResDyad):
            raise ValueError(f"a fast tail needs a dyad over maps of 4 x 4, not a {matcher.block} over {matcher.half_shape}")
        first, second = tail.block.block_a.residual, tail.block.block_b.residual
        self.channels = matcher.hidden
        scale, shift = _affine(tail.norm)
        low, step = (torch.tensor(values, dtype=torch.float64) for values in (stored.low, stored.scale))
        _keep(self, query_scale=scale, query_shift=shift + scale * low, byte_scale=scale * step)
        self.enter = _Activation(first[0])
        self.same_1, self.same_2 = _Same(first[2], first[3]), _Same(first[5])
        self.middle = _Activation(second[0])
        self.halved, self.shortcut = _Halved(second[2], second[3]), _Halved(tail.block.block_b.shortcut)
        fully, bias = tail.fc.weight.double(), tail.fc.bias.double()  # over (channels, pixels) of the last convolution
        last = fully.reshape(len(bias), -1, HALF * HALF).transpose(1, 2).flatten(1).T
        given = tail.conv.get_parameter("bias").double().repeat(HALF * HALF)
        _keep(self, dense=_dense(_weight(second[5])), head=_dense(_weight(tail.conv)) @ last, head_bias=given @ last + bias)

    def forward(self, half: Tensor, pair: Tensor) -> Tensor:
        """half: (1, P) float32 of one query. pair: (M, P) uint8. Returns (M, 2) logits: no match, match."""
        query = half.reshape(self.channels, PIXELS).T.reshape(PIXELS, 1, self.channels) * self.query_scale + self.query_shift
        candidates = pair.reshape(-1, self.channels, PIXELS).permute(2, 0, 1).float()
        x = (candidates * self.byte_scale + query).relu()  # (16, M, K), as all until the stride
        x = x + self.same_2(self.same_1(self.enter(x)).relu())
        y = _flat(self.halved(self.middle(x)).relu()) @ self.dense  # (M, 4 K)
        x = (_flat(self.shortcut(x)) + y).relu()
        return x @ self.head + self.head_bias


class _Activation(nn.Module):
    """A batch norm and a ReLU over the last axis."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        scale, shift = _affine(norm)
        _keep(self, scale=scale, shift=shift)

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.scale + self.shift).relu()


class _Same(nn.Module):
    """A convolution of stride 1, and the batch norm behind it if there is one: (16, M, K) to the same shape."""

    kernel: Tensor
    spread: Tensor
    gather: Tensor
    bias: Tensor | None

    def __init__(self, convolution: nn.Module, norm: nn.Module | None = None) -> None:
        super().__init__()
        weight, bias = _folded(convolution, norm)
        each = torch.tensor(_KERNEL).double() / 24
        spread = torch.tensor(_INPUT).double()[:, 1:-1]  # the outermost inputs are padding
        gather = torch.tensor(_OUTPUT).double()
        kernel = torch.einsum("ak,oikl,bl->abio", each, weight, each).flatten(0, 1)  # (36, K, K)
        _keep(self, kernel=kernel, spread=torch.kron(spread, spread), gather=torch.kron(gather, gather), bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        points, channels = self.kernel.shape[:2]
        spread = (self.spread @ x.reshape(PIXELS, -1)).reshape(points, -1, channels)
        products = torch.matmul(spread, self.kernel).reshape(points, -1)
        out = (self.gather @ products).reshape(PIXELS, -1, channels)
        return out if self.bias is None else out + self.bias


class _Halved(nn.Module):
    """A convolution of stride 2, and the batch norm behind it if there is one: (16, M, K) to (4, M, K)."""

    kernel: Tensor
    sources: Tensor
    sums: Tensor
    bias: Tensor | None

    def __init__(self, convolution: nn.Module, norm: nn.Module | None = None) -> None:
        super().__init__()
        weight, bias = _folded(convolution, norm)
        taps = _taps(SIDE, HALF, stride=2)
        sums = torch.zeros(HALF * HALF, len(taps))
        sums[[out for out, _, _ in taps], range(len(taps))] = 1
        kernel = torch.stack([weight[:, :, row, column].T for _, _, (row, column) in taps])  # (25, K, K)
        _keep(self, kernel=kernel, sums=sums, bias=bias)
        self.register_buffer("sources", torch.tensor([source for _, source, _ in taps]))

    def forward(self, x: Tensor) -> Tensor:
        products = torch.matmul(x[self.sources], self.kernel).reshape(len(self.kernel), -1)
        out = (self.sums @ products).reshape(HALF * HALF, -1, self.kernel.shape[2])
        return out if self.bias is None else out + self.bias


def _taps(side: int, outputs: int, *, stride: int) -> list[tuple[int, int, tuple[int, int]]]:
    """Output pixel, input pixel and place in the 3 x 3 kernel, for every tap that does not fall on padding."""
    found = []
    for down, right, tap_down, tap_right in itertools.product(range(outputs), range(outputs), range(3), range(3)):
        row, column = stride * down + tap_down - 1, stride * right + tap_right - 1
        if 0 <= row < side and 0 <= column < side:
            found.append((down * outputs + right, row * side + column, (tap_down, tap_right)))
    return found


def _dense(weight: Tensor) -> Tensor:
    """A convolution over 2 x 2 pixels, (O, I, 3, 3), as a (4 I, 4 O) matrix; pixels before channels on both sides."""
    outputs, inputs = weight.shape[:2]
    matrix = torch.zeros(HALF * HALF, inputs, HALF * HALF, outputs, dtype=torch.float64)
    for out, source, (row, column) in _taps(HALF, HALF, stride=1):
        matrix[source, :, out] = weight[:, :, row, column].T
    return matrix.reshape(HALF * HALF * inputs, HALF * HALF * outputs)


def _flat(x: Tensor) -> Tensor:
    """(4, M, K) to (M, 4 K)."""
    return x.permute(1, 0, 2).flatten(1)


def _folded(convolution: nn.Module, norm: nn.Module | None) -> tuple[Tensor, Tensor | None]:
    """Weight (O, I, 3, 3) and bias (O,) of a convolution without a bias of its own and the batch norm behind it, if any."""
    weight = _weight(convolution)
    if norm is None:
        return weight, None
    scale, shift = _affine(norm)
    return weight * scale[:, None, None, None], shift


def _weight(convolution: nn.Module) -> Tensor:
    return convolution.get_parameter("weight").detach().double()


def _affine(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Scale and shift, (K,) float64 each, of a batch norm in evaluation mode."""
    if not isinstance(norm, nn.BatchNorm2d) or norm.running_mean is None or norm.running_var is None:
        raise TypeError(f"{type(norm).__name__} is not a batch norm with running statistics")
    scale = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
    return scale, norm.bias.detach().double() - scale * norm.running_mean.double()


def _keep(module: nn.Module, **constants: Tensor | None) -> None:
    for name, value in constants.items():
        module.register_buffer(name, None if value is None else value.detach().float().contiguous())
