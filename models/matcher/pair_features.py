"""The base of matchers that compare stored features of a candidate with features of a query, each computed from one tile."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.matcher.networks import MapShape


class PairFeatures(nn.Module):
    """Features of query and candidate, (K, h, w) each, and a tail that compares them.

    map_shape: (C, h, w) of one map. hidden: K.
    """

    map_shape: MapShape
    hidden: int

    @property
    def half_shape(self) -> MapShape:
        """(K, h, w) of query and candidate features."""
        return self.hidden, self.map_shape[1], self.map_shape[2]

    @property
    def pair_dimension(self) -> int:
        """Number of values of stored candidate features."""
        return self.hidden * self.map_shape[1] * self.map_shape[2]

    def query_half(self, query: Tensor) -> Tensor:
        """Query features: (Q, C, h, w) float32 maps to (Q, K, h, w) float32."""
        raise NotImplementedError

    def candidate_half(self, candidate: Tensor) -> Tensor:
        """Candidate features, which an index stores: (M, C, h, w) float32 maps to (M, K, h, w) float32."""
        raise NotImplementedError

    def tail(self, query_half: Tensor, candidate_half: Tensor) -> Tensor:
        """Finish the comparison.

        query_half: (1, K, h, w), one query for all candidates, or (M, K, h, w). candidate_half: (M, K, h, w).
        Returns (M, 2) logits: no match, match.
        """
        raise NotImplementedError

    def forward(self, query: Tensor, candidate: Tensor) -> Tensor:
        """Two (N, C, h, w) maps (or one query) to (N, 2) logits: no match, match."""
        return self.tail(self.query_half(query), self.candidate_half(candidate))

    @torch.no_grad()
    def scores(self, query: Tensor, candidates: Tensor, batch: int = 512) -> Tensor:
        """Logits of every candidate for every query, in batches.

        query: (Q, C, h, w) and candidates: (M, C, h, w) float32. Returns (Q, M, 2) logits.
        """
        queries, stored = self.query_half(query), self.candidate_half(candidates)
        rows = [torch.cat([self.tail(one[None], part) for part in torch.split(stored, batch)]) for one in queries]
        return torch.stack(rows)
