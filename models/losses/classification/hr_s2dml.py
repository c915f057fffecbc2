"""The joint loss of HR-S2DML: equation 7 of Kang et al., "High-rankness regularized semi-supervised deep metric learning"."""

from __future__ import annotations

from torch import Tensor, nn

from models.losses.classification.high_rankness import HighRankness, RankFeatures, RankScale
from models.losses.classification.nsl_margin import NormalizedSoftmaxMargin


class HrS2dml(nn.Module):
    """The joint loss of labelled and unlabelled images, equation 7::

        L = L_s-m + lambda L_HR

    L_s-m (equation 3) pulls labelled images to the prototype of their class with an angular margin; L_HR (equations 5 and
    6) makes the predictions of the same prototypes on unlabelled images confident and diverse. Gradients of both reach the
    prototypes and the network.
    """

    def __init__(
        self,
        num_classes: int,
        dim: int,
        *,
        tau: float = 0.05,
        margin: float = 0.5,
        weight: float = 1.0,
        rank_tau: float = 1.0,
        rank_scale: RankScale = "sum",
        rank_features: RankFeatures = "projected",
    ) -> None:
        """num_classes: C; dim: D; tau, margin: of equation 3; weight: lambda, at least 0; rank_tau, rank_scale, rank_features:
        of `HighRankness`."""
        super().__init__()
        self.weight = weight
        self.supervised = NormalizedSoftmaxMargin(num_classes, dim, tau=tau, margin=margin)
        self.rankness = HighRankness(tau=rank_tau, scale=rank_scale, features=rank_features)

    @property
    def prototypes(self) -> Tensor:
        """The class directions W (C, D), L2-normalised."""
        return self.supervised.prototypes

    def forward(self, embeddings: Tensor, labels: Tensor, unlabelled: Tensor) -> Tensor:
        """The joint loss, a scalar.

        embeddings: (N, D) float32, L2-normalised, of labelled images. labels: (N,) int64 in [0, C). unlabelled: (M, D)
        float32, F(x) of unlabelled images before normalisation.

        Raises:
            ValueError: tensors of another shape or dtype.
        """
        supervised: Tensor = self.supervised(embeddings, labels)
        rankness: Tensor = self.rankness(unlabelled, self.prototypes)
        return supervised + self.weight * rankness
