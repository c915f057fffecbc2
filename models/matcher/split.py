"""The matcher with its first layer split by query and candidate, so that the candidate's part is computed once, at indexing.

A convolution is linear: W [q; c] = W_q q + W_c c. The first layer of the paper's matcher over concatenated maps is therefore a
sum of query features and candidate features (the query half and the candidate half), each computed from one tile. Re-ranking M
candidates costs the features of one query and M small tails.
"""

from __future__ import annotations

import copy
from typing import Self

from torch import Tensor

from models.backbones.blocks import conv, init_convs
from models.matcher.networks import HEAD, HIDDEN, Block, MapShape, MatcherTail, PairMatcher
from models.matcher.pair_features import PairFeatures


class SplitMatcher(PairFeatures):
    """The network of `PairMatcher` with its first convolution split into two; it gives the same numbers, and is trainable.

    map_shape: (C, h, w) of one map. hidden: K, channels of the query and candidate features, `pair_dimension` = K h w numbers.
    """

    def __init__(self, map_shape: MapShape, *, hidden: int = HIDDEN, block: Block = "dyad", head: int = HEAD) -> None:
        super().__init__()
        channels, height, width = map_shape
        self.map_shape = map_shape
        self.hidden, self.head, self.block = hidden, head, block
        self.query_conv = conv(channels, hidden)
        self.candidate_conv = conv(channels, hidden)
        init_convs(self)
        self.tail_network = MatcherTail((height, width), hidden=hidden, block=block, head=head)

    @classmethod
    def from_matcher(cls, matcher: PairMatcher) -> Self:
        """A copy of a `ResDyadDML` or `ResDML` that shares no memory with it."""
        split = cls(matcher.map_shape, hidden=matcher.hidden, block=matcher.block, head=matcher.head)
        channels = matcher.map_shape[0]
        weight = matcher.first.get_parameter("weight").detach()
        split.query_conv.load_state_dict({"weight": weight[:, :channels]})
        split.candidate_conv.load_state_dict({"weight": weight[:, channels:]})
        split.tail_network = copy.deepcopy(matcher.tail)
        return split.to(weight.device).train(matcher.training)

    def query_half(self, query: Tensor) -> Tensor:
        """Query features: (Q, C, h, w) float32 maps to (Q, K, h, w) float32."""
        half: Tensor = self.query_conv(query)
        return half

    def candidate_half(self, candidate: Tensor) -> Tensor:
        """Candidate features, which an index stores: (M, C, h, w) float32 maps to (M, K, h, w) float32."""
        half: Tensor = self.candidate_conv(candidate)
        return half

    def tail(self, query_half: Tensor, candidate_half: Tensor) -> Tensor:
        """Finish the comparison.

        query_half: (1, K, h, w), one query for all candidates, or (M, K, h, w). candidate_half: (M, K, h, w).
        Returns (M, 2) logits: no match, match.
        """
        logits: Tensor = self.tail_network(query_half + candidate_half)
        return logits
