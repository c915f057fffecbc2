"""The matcher as in the paper: the concatenated maps of every pair go through the whole network. Needs PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.matcher.networks import PairMatcher
from models.matcher.split import SplitMatcher


def whole_matcher(split: SplitMatcher) -> PairMatcher:
    """The inverse of `SplitMatcher.from_matcher`."""
    whole = PairMatcher(split.map_shape, hidden=split.hidden, block=split.block, head=split.head)
    halves: list[Tensor] = [part.get_parameter("weight") for part in (split.query_conv, split.candidate_conv)]
    tail = {f"tail.{name}": value for name, value in split.tail_network.state_dict().items()}
    whole.load_state_dict({"first.weight": torch.cat(halves, dim=1), **tail})
    return whole.eval()


def export_naive(split: SplitMatcher, path: Path) -> None:
    """Write a graph: `query` (1, C, h, w) and `candidates` (M, C, h, w) float32 to `logits` (M, 2)."""
    graph = _Naive(whole_matcher(split)).eval()
    maps = torch.zeros(3, *split.map_shape)
    shapes = {"query": None, "candidates": {0: torch.export.Dim("M")}}
    program = torch.onnx.export(
        graph,
        (maps[:1], maps),
        input_names=["query", "candidates"],
        output_names=["logits"],
        dynamic_shapes=shapes,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch.onnx.export made no graph")
    program.save(path)


@torch.no_grad()
def split_log_odds(split: SplitMatcher, query: NDArray[np.float32], maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """(M,) log-odds from query and candidate features without quantisation. query: (1, C, h, w). maps: (M, C, h, w)."""
    logits = split.tail(split.query_half(torch.from_numpy(query)), split.candidate_half(torch.from_numpy(maps)))
    found: NDArray[np.float32] = (logits[:, 1] - logits[:, 0]).numpy()
    return found


class _Naive(nn.Module):
    def __init__(self, whole: PairMatcher) -> None:
        super().__init__()
        self.whole = whole

    def forward(self, query: Tensor, candidates: Tensor) -> Tensor:
        logits: Tensor = self.whole(query.expand(len(candidates), -1, -1, -1), candidates)
        return logits
