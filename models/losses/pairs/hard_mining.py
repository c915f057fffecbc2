"""Online hard mining: the hardest pairs of the hardest anchors of a batch. After Dong et al., "Deep metric learning with
online hard mining for hyperspectral classification", 2021, and Hermans et al., "In defense of the triplet loss", 2017."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.losses.checks import check_batch
from models.losses.pairs.distances import distances, pair_masks


class OnlineHardMining(nn.Module):
    """Soft-margin triplets, mined twice::

        l_a = log(1 + exp(max_p ||f_a - f_p|| - min_n ||f_a - f_n||)),    L = mean of the hardest share of the l_a

    Each anchor takes its farthest positive and its nearest negative (batch-hard); then only the hardest anchors are averaged,
    because easy ones, soon the majority, dilute the gradient. The soft margin never reaches 0, so that every kept anchor has a
    gradient. Anchors without a positive or a negative in the batch are left out.
    """

    def __init__(self, *, keep: float = 0.5) -> None:
        """keep: share of the anchors that count, hardest first, in (0, 1]."""
        super().__init__()
        if not 0 < keep <= 1:
            raise ValueError(f"keep must be in (0, 1], not {keep}")
        self.keep = keep

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The mean over the anchors kept, a scalar at least 0; 0 where the batch has no triplet.

        embeddings: (N, D) float32, L2-normalised. labels: (N,) int64.

        Raises:
            ValueError: embeddings and labels are not a batch.
        """
        check_batch(embeddings, labels)
        apart = distances(embeddings, embeddings)
        same, other = pair_masks(labels)
        usable = same.any(1) & other.any(1)
        farthest = apart.masked_fill(~same, -torch.inf).amax(1)
        nearest = apart.masked_fill(~other, torch.inf).amin(1)
        losses = functional.softplus((farthest - nearest)[usable])
        if losses.numel() == 0:
            return 0 * embeddings.sum()
        kept = math.ceil(self.keep * losses.numel())
        return losses.topk(kept).values.mean()
