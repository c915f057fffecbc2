"""Normalised softmax loss with an additive angular margin (ArcFace): equation 3 of HR-S2DML."""

from __future__ import annotations

import math

from pytorch_metric_learning import losses
from torch import Tensor
from torch.nn import functional

from models.losses.classification.library_loss import LibraryLoss


class NormalizedSoftmaxMargin(LibraryLoss):
    """The supervised term of HR-S2DML, equation 3::

        L_s-m = -1/M sum_i log( exp(cos(theta_i^c + m) / tau)
                                / (exp(cos(theta_i^c + m) / tau) + sum_{k != c} exp(cos(theta_i^k) / tau)) )

    theta_i^k is the angle between embedding i and the unit prototype w_k, c the class of i. The margin requires an image to
    be nearer to its own prototype by m radians than the plain softmax does. Where theta_i^c + m exceeds pi the cosine would
    rise again; there cos(theta) - m sin(m), which keeps falling, replaces it, as in the authors' code. Computed by
    pytorch-metric-learning's `ArcFaceLoss` (with the margin in degrees and the scale 1 / tau).
    """

    def __init__(self, num_classes: int, dim: int, *, tau: float = 0.05, margin: float = 0.5) -> None:
        """num_classes: C; dim: D; tau: temperature, above 0; margin: m in radians, in [0, pi / 2)."""
        super().__init__(losses.ArcFaceLoss(num_classes, dim, margin=math.degrees(margin), scale=1 / tau))
        self.tau = tau

    @property
    def prototypes(self) -> Tensor:
        """The class directions W (C, D), L2-normalised."""
        return functional.normalize(self.inner.get_parameter("W").T, dim=1)
