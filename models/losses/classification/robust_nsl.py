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

    As q goes to 0 this is the normalised softmax, which overfits wrong labels; at q = 1 it is the absolute error, whose
    gradient p_i (1 - p_i) vanishes for an image whose label the network contradicts. Truncation at k > 0 removes images whose
    label has a probability of at most k from the gradient; it needs a pretrained network, because at the start of a training
    from scratch nearly every image is below it.

    A network from scratch contradicts nearly every label at first, which leaves almost no gradient (the paper starts from
    ImageNet weights). With warm_up the first batches use the limit q = 0 instead: correct labels are learned before wrong ones.
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
        self.register_buffer(
            "batches", torch.zeros((), dtype=torch.int64)
        )  # in checkpoints, so that a resumed training continues the count

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The mean loss, a scalar in [0, 1 / q]; during warm-up, a scalar at least 0.

        embeddings: (N, D) float32, L2-normalised. labels: (N,) int64 in [0, C), some of them wrong.

        Raises:
            ValueError: embeddings and labels are not a batch.
        """
        check_batch(embeddings, labels)
        logs = torch.log_softmax(self.prototypes(embeddings) / self.tau, dim=1)
        own = logs.gather(1, labels[:, None]).squeeze(1)
        if self.warm_up and self.batches < self.warm_up:
            self.batches += int(self.training)
            return -own.mean()
        # p^q as exp(q log p): the power's slope at p = 0 is infinite.
        return ((1 - torch.exp(self.q * own.clamp_min(self.floor))) / self.q).mean()
