"""The discriminators of the residual-dyad paper (section IV-C, figure 5): `ResDyadDML` and, for the ablation, `ResDML`.

Over the concatenated maps of query and candidate: convolution, batch norm, ReLU, a residual-dyad (a standard residual
block in `ResDML`), ReLU, convolution, fully connected, softmax. The maps may come from any encoder, and be of any size.
The paper gives no widths; `hidden` = 64 makes 4096 numbers of the first layer over an 8 x 8 map.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from models.backbones.blocks import ResDyad, ResidualBlock, conv, init_convs

Block = Literal["dyad", "residual"]
MapShape = tuple[int, int, int]
HIDDEN = 64
HEAD = 32
MATCH = 1
"""Index of the logit for "match"."""


def match_probability(logits: Tensor) -> Tensor:
    """y = softmax(v) (equation 8), its match entry: (..., 2) logits to (...) float32 in [0, 1]."""
    return logits.float().softmax(dim=-1)[..., MATCH]


def match_log_odds(logits: Tensor) -> Tensor:
    """log(y / (1 - y)) of the match entry y of equation 8: (..., 2) logits to (...) float32."""
    return logits[..., MATCH].float() - logits[..., 1 - MATCH].float()


class MatcherTail(nn.Module):
    """All layers of the matcher after the first convolution.

    size: (h, w) of the map.
    """

    def __init__(self, size: tuple[int, int], *, hidden: int = HIDDEN, block: Block = "dyad", head: int = HEAD) -> None:
        super().__init__()
        height, width = size
        self.norm = nn.BatchNorm2d(hidden)
        if block == "dyad":
            self.block: nn.Module = ResDyad(hidden, hidden, stride=2)
            height, width = -(-height // 2), -(-width // 2)
        else:
            self.block = ResidualBlock(hidden, hidden)
        self.conv = nn.Conv2d(hidden, head, kernel_size=3, padding=1)
        self.fc = nn.Linear(head * height * width, 2)
        init_convs(self)

    def forward(self, first: Tensor) -> Tensor:
        """(N, K, h, w) output of the first convolution to (N, 2) logits: no match, match."""
        x: Tensor = self.norm(first).relu()
        x = self.block(x).relu()
        x = self.conv(x)
        logits: Tensor = self.fc(x.flatten(1))
        return logits


class PairMatcher(nn.Module):
    """f_m (equation 7): two maps in, two logits out; train it with cross-entropy (equation 9).

    map_shape: (C, h, w) of one map. hidden: K, channels of the first convolution. head: channels of the last.
    """

    def __init__(self, map_shape: MapShape, *, hidden: int = HIDDEN, block: Block = "dyad", head: int = HEAD) -> None:
        super().__init__()
        channels, height, width = map_shape
        self.map_shape = map_shape
        self.hidden, self.head, self.block = hidden, head, block
        self.first = conv(2 * channels, hidden)
        init_convs(self.first)
        self.tail = MatcherTail((height, width), hidden=hidden, block=block, head=head)

    def forward(self, query: Tensor, candidate: Tensor) -> Tensor:
        """Compare pairs.

        query, candidate: (N, C, h, w) float32 each. Returns (N, 2) logits: no match, match.

        Raises:
            ValueError: a map of another shape.
        """
        for name, map_ in (("query", query), ("candidate", candidate)):
            if tuple(map_.shape[1:]) != self.map_shape:
                raise ValueError(f"{name} map of shape {tuple(map_.shape)}: this matcher takes (N, *{self.map_shape})")
        logits: Tensor = self.tail(self.first(torch.cat((query, candidate), dim=1)))
        return logits


class ResDyadDML(PairMatcher):
    """The paper's matcher, with a residual-dyad."""

    def __init__(self, map_shape: MapShape, *, hidden: int = HIDDEN, head: int = HEAD) -> None:
        super().__init__(map_shape, hidden=hidden, block="dyad", head=head)


class ResDML(PairMatcher):
    """The same with a standard residual block, the ablation of table I."""

    def __init__(self, map_shape: MapShape, *, hidden: int = HIDDEN, head: int = HEAD) -> None:
        super().__init__(map_shape, hidden=hidden, block="residual", head=head)
