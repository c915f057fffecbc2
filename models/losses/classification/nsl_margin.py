"""Normalised softmax loss with an additive angular margin (ArcFace): equation 3 of HR-S2DML."""

from __future__ import annotations

import math

from pytorch_metric_learning import losses
from torch import Tensor, nn
from torch.nn import functional

from models.losses.checks import check_batch


class NormalizedSoftmaxMargin(nn.Module):
    """The supervised half of HR-S2DML, equation 3::

        L_s-m = -1/M sum_i log( exp(cos(theta_i^c + m) / tau)
                                / (exp(cos(theta_i^c + m) / tau) + sum_{k != c} exp(cos(theta_i^k) / tau)) )

    theta_i^k is the angle between embedding i and the unit prototype w_k, c the class of i. The margin asks an image to be
    nearer to its own prototype by m radians than the softmax alone would. Where theta_i^c + m passes pi the cosine would
    rise again; there cos(theta) - m sin(m) takes its place, which keeps falling: so the authors' code, and so
    pytorch-metric-learning's `ArcFaceLoss` (in degrees and 1 / tau), which this is.
    """

    def __init__(self, num_classes: int, dim: int, *, tau: float = 0.05, margin: float = 0.5) -> None:
        """num_classes: C; dim: D; tau: temperature, above 0; margin: m in radians, in [0, pi / 2)."""
        super().__init__()
        self.tau = tau
        self.inner = losses.ArcFaceLoss(num_classes, dim, margin=math.degrees(margin), scale=1 / tau)

    @property
    def prototypes(self) -> Tensor:
        """The class directions W (C, D), L2-normalised."""
        return functional.normalize(self.inner.W.T, dim=1)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The mean loss, a scalar at least 0.

        embeddings: (N, D) float32, L2-normalised. labels: (N,) int64 in [0, C).

        Raises:
            ValueError: embeddings and labels are no batch.
        """
        check_batch(embeddings, labels)
        loss: Tensor = self.inner(embeddings, labels)
        return loss
