"""A-softmax (SphereFace) on a hypersphere of fixed radius. Liu et al., "SphereFace", 2017, equations 6 and 7."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.losses.checks import check_batch
from models.losses.classification.prototypes import Prototypes


class SphereFace(nn.Module):
    """The angle to the own class is multiplied by an integer margin::

        L = mean_i -log( exp(s psi(theta_i^c)) / (exp(s psi(theta_i^c)) + sum_{k != c} exp(s cos(theta_i^k))) )
        psi(theta) = (-1)^j cos(m theta) - 2 j    for theta in [j pi / m, (j + 1) pi / m]

    psi continues cos(m theta) beyond pi / m so that it decreases. SphereFace multiplies by the norm of the feature;
    embeddings here are unit vectors, so s is the radius of the sphere. A margin of 1 is the normalised softmax with tau =
    1 / s. It is not the "Sphere loss" of the review (Wang et al., 2021), whose centres and uniformity term are not in it.
    (pytorch-metric-learning's `SphereFaceLoss` calls NumPy in a way that is deprecated.)
    """

    def __init__(self, num_classes: int, dim: int, *, margin: int = 4, scale: float = 20.0) -> None:
        """num_classes: C; dim: D; margin: m, at least 1; scale: s, above 0."""
        super().__init__()
        if margin < 1:
            raise ValueError(f"the margin must be at least 1, not {margin}")
        self.margin, self.scale = margin, scale
        self.prototypes = Prototypes(num_classes, dim)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The mean loss, a scalar at least 0.

        embeddings: (N, D) float32, L2-normalised. labels: (N,) int64 in [0, C).

        Raises:
            ValueError: embeddings and labels are not a batch.
        """
        check_batch(embeddings, labels)
        cosines = self.prototypes(embeddings)
        own = labels[:, None]
        logits = cosines.scatter(1, own, self._psi(cosines.gather(1, own)))
        return functional.cross_entropy(self.scale * logits, labels)

    def _psi(self, cosines: Tensor) -> Tensor:
        """psi of the angles of these cosines, same shape, in [1 - 2 m, 1]."""
        angles = cosines.detach().clamp(-1, 1).acos()
        piece = (angles * (self.margin / math.pi)).floor().clamp_max(self.margin - 1)
        sign = 1 - 2 * torch.remainder(piece, 2)
        return sign * self._cosine_of_multiple(cosines) - 2 * piece

    def _cosine_of_multiple(self, cosines: Tensor) -> Tensor:
        """cos(m theta) as Chebyshev's polynomial of cos(theta): the slope of arccos is infinite at 0 and pi."""
        before, now = torch.ones_like(cosines), cosines
        for _ in range(self.margin - 1):
            before, now = now, 2 * cosines * now - before
        return now
