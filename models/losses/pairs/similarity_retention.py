"""Similarity retention loss. After Zhao et al., "Similarity retention loss (SRL) based on deep metric learning for remote
sensing image retrieval", 2020."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.losses.checks import check_batch
from models.losses.pairs.distances import distances, pair_masks


class SimilarityRetention(nn.Module):
    """Positives are kept within a ball instead of collapsing to a point, negatives outside a larger one::

        L = mean_q 1/2 w_q mean_{p in P*} (d_qp - (tau - m))^2  +  1/2 sum_{n in N*} v_n (tau - d_qn)^2

    Mined for each query q: P* its positives beyond tau - m, N* its negatives within tau; easy samples have no gradient, which
    retains the structure of the class. w_q is the share of hard ones among q's positives. v_n is proportional to the number
    of N* within tau - m of n (including n) and sums to 1, so that a dense group of negatives is pushed as a whole. The weights
    have no gradient. The two balls are the paper's; for the weights it states what they depend on (the ratio of easy to hard
    samples, the distribution of the samples around a negative), and their form is chosen here.
    """

    def __init__(self, *, tau: float = 1.05, margin: float = 0.4) -> None:
        """tau: the distance that negatives keep; margin: m, in (0, tau): positives keep within tau - m."""
        super().__init__()
        if not 0 < margin < tau:
            raise ValueError(f"the margin must be between 0 and tau, {tau}, not {margin}")
        self.tau, self.inner = tau, tau - margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The mean over the queries, a scalar at least 0; a query without hard samples adds 0.

        embeddings: (N, D) float32, L2-normalised. labels: (N,) int64.

        Raises:
            ValueError: embeddings and labels are not a batch.
        """
        check_batch(embeddings, labels)
        apart = distances(embeddings, embeddings)
        same, other = pair_masks(labels)
        hard_same, hard_other = same & (apart > self.inner), other & (apart < self.tau)
        pulled = ((apart - self.inner).square() * self._positive_weights(same, hard_same)).sum(1)
        pushed = ((self.tau - apart).square() * self._negative_weights(apart, hard_other)).sum(1)
        return (pulled + pushed).mean() / 2

    def _positive_weights(self, same: Tensor, hard: Tensor) -> Tensor:
        """w_q / |P*| on the hard positives of each row, 0 elsewhere: (N, N)."""
        count = hard.sum(1, keepdim=True)
        share = count / same.sum(1, keepdim=True).clamp_min(1)
        return hard * share / count.clamp_min(1)

    @torch.no_grad()
    def _negative_weights(self, apart: Tensor, hard: Tensor) -> Tensor:
        """v_n on the hard negatives of each row, 0 elsewhere: (N, N)."""
        near = (apart < self.inner).to(apart.dtype).fill_diagonal_(1)
        density = (hard.to(apart.dtype) @ near) * hard
        return density / density.sum(1, keepdim=True).clamp_min(1)
