"""Normalised softmax loss (NSL): class proxies compared by cosine. Zhai and Wu, "Classification is a strong baseline", 2019."""

from __future__ import annotations

from pytorch_metric_learning import losses
from torch import Tensor
from torch.nn import functional

from models.losses.classification.library_loss import LibraryLoss


class NormalizedSoftmax(LibraryLoss):
    """Equation 3 of HR-S2DML with m = 0, the baseline NSL of its comparison::

        L = -1/N sum_i log( exp(cos(theta_i^c) / tau) / sum_k exp(cos(theta_i^k) / tau) )

    theta_i^k is the angle between embedding i and the prototype of class k, c the class of i. The mean cross entropy of
    pytorch-metric-learning's `NormalizedSoftmaxLoss`, whose only parameters are the prototypes.
    """

    def __init__(self, num_classes: int, dim: int, *, tau: float = 0.05) -> None:
        """num_classes: C; dim: D; tau: temperature, above 0."""
        super().__init__(losses.NormalizedSoftmaxLoss(num_classes, dim, temperature=tau))
        self.tau = tau

    @property
    def prototypes(self) -> Tensor:
        """The class directions (C, D), L2-normalised."""
        return functional.normalize(self.inner.get_parameter("W").T, dim=1)
