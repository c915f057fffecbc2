"""Robust normalised softmax loss for noisy labels. Kang et al., "Robust normalized softmax loss for deep metric
learning-based characterization of remote sensing images with label noise", 2021."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.losses.checks import check_batch
from models.losses.classification.prototypes import Prototypes


class RobustNormalizedSoftmax(nn.Module):
    """The normalised softmax through the negative Box-Cox transformation (RNSL), truncated on demand (t-RNSL)::

        L = mean_i (1 - max(p_i, k)^q) / q,    p_i = exp(cos(theta_i^c) / tau) / sum_k exp(cos(theta_i^k) / tau)

    As q goes to 0 this is the normalised softmax, which learns wrong labels by heart; at q = 1 it is the absolute error,
    whose gradient p_i (1 - p_i) forgets an image that the network contradicts. Truncation at k > 0 drops images whose label
    has a probability of at most k from the gradient altogether: for a network that knows something already, as nearly every
    image is below it at the start.

    A network that begins from nothing contradicts nearly every image, so that q leaves it next to no gradient to learn from
    (the paper begins with ImageNet's weights). For its first batches of training it is given the limit of q at 0 then: right
    labels are learned before wrong ones are.
    """

    batches: Tensor

    def __init__(
        self, num_classes: int, dim: int, *, tau: float = 0.05, q: float = 0.7, truncation: float = 0.0, warm_up: int = 0
    ) -> None:
        """num_classes: C; dim: D; tau: temperature, above 0; q: in (0, 1]; truncation: k, in [0, 1); warm_up: batches with
        the normalised softmax, neither robust nor truncated."""
        super().__init__()
        self.tau, self.q, self.warm_up = tau, q, warm_up
        self.floor = math.log(truncation) if truncation > 0 else -math.inf
        self.prototypes = Prototypes(num_classes, dim)
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))  # so that a resumed training knows

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The mean loss, a scalar in [0, 1 / q]; while it warms up, one of at least 0.

        embeddings: (N, D) float32, L2-normalised. labels: (N,) int64 in [0, C), some of them wrong.

        Raises:
            ValueError: embeddings and labels are no batch.
        """
        check_batch(embeddings, labels)
        logs = torch.log_softmax(self.prototypes(embeddings) / self.tau, dim=1)
        own = logs.gather(1, labels[:, None]).squeeze(1)
        if self.warm_up and self.batches < self.warm_up:
            self.batches += int(self.training)
            return -own.mean()
        # p^q as exp(q log p): the power's slope at p = 0 is infinite.
        return ((1 - torch.exp(self.q * own.clamp_min(self.floor))) / self.q).mean()
