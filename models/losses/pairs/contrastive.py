"""Contrastive loss. Hadsell et al., "Dimensionality reduction by learning an invariant mapping", 2006, equation 4."""

from __future__ import annotations

from torch import Tensor, nn

from models.losses.checks import check_batch
from models.losses.pairs.distances import distances, pair_masks


class Contrastive(nn.Module):
    """Pulls pairs of one class together, and pushes other pairs apart up to the margin, equation 4::

        L = mean over pairs i < j of 1/2 s d^2 + 1/2 (1 - s) [margin - d]_+^2,    d = ||f_i - f_j||

    s is 1 for a pair of one class and 0 otherwise. The two kinds are averaged separately and added, as if a batch had equally
    many of each: among C classes only every C-th random pair is of one class. (pytorch-metric-learning's `ContrastiveLoss`
    squares the distance before it takes the margin, or not at all, which is another loss.)
    """

    def __init__(self, *, margin: float = 1.0) -> None:
        """margin: distance above which pairs of different classes add nothing, above 0 (unit embeddings: at most 2)."""
        super().__init__()
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The loss, a scalar at least 0; without pairs of a kind that term is 0.

        embeddings: (N, D) float32, L2-normalised. labels: (N,) int64.

        Raises:
            ValueError: embeddings and labels are not a batch.
        """
        check_batch(embeddings, labels)
        apart = distances(embeddings, embeddings)  # (N, N); both orders of a pair, which changes no mean
        same, other = pair_masks(labels)
        together = (apart.square() * same).sum() / same.sum().clamp_min(1)
        pushed = ((self.margin - apart).clamp_min(0).square() * other).sum() / other.sum().clamp_min(1)
        return (together + pushed) / 2
