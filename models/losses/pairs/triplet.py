"""Triplet loss with mining in the batch. Schroff et al., "FaceNet", 2015, equation 2."""

from __future__ import annotations

from typing import Literal

from pytorch_metric_learning import losses, miners
from pytorch_metric_learning.distances import LpDistance
from torch import Tensor, nn

from models.losses.checks import check_batch

Mining = Literal["all", "semihard", "hard", "batch-hard"]


class TripletMargin(nn.Module):
    """Requires an anchor to be nearer to an image of its class than to one of another class by a margin::

        L = mean over T of [ ||f_a - f_p||^2 - ||f_a - f_n||^2 + margin ]_+

    T are the triplets of the batch that violate the margin: "all" of them, the "semihard" (the negative is farther than the
    positive, though by less than the margin), the "hard" (the negative is nearer), or "batch-hard": for each anchor its
    farthest positive with its nearest negative (Hermans et al., 2017). Without such a triplet the loss is 0.
    pytorch-metric-learning's `TripletMarginLoss` on squared distances, with its miners.
    """

    def __init__(self, *, margin: float = 0.2, mining: Mining = "all") -> None:
        """margin: in squared distance, above 0 (unit embeddings are at most 4 apart). mining: which triplets count."""
        super().__init__()
        distance = LpDistance(p=2, power=2)
        self.inner = losses.TripletMarginLoss(margin=margin, distance=distance)
        if mining == "batch-hard":
            self.miner = miners.BatchHardMiner(distance=distance)
        else:
            self.miner = miners.TripletMarginMiner(margin=margin, type_of_triplets=mining, distance=distance)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The mean over the triplets that violate the margin, a scalar at least 0.

        embeddings: (N, D) float32, L2-normalised. labels: (N,) int64.

        Raises:
            ValueError: embeddings and labels are not a batch.
        """
        check_batch(embeddings, labels)
        loss: Tensor = self.inner(embeddings, labels, self.miner(embeddings, labels))
        return loss
