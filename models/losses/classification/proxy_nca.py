"""Proxy-NCA. Movshovitz-Attias et al., "No fuss distance metric learning using proxies", 2017, equation 4."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.losses.checks import check_batch
from models.losses.classification.prototypes import Prototypes
from models.losses.pairs.distances import squared_distances


class ProxyNca(nn.Module):
    """Compares the distance to the proxy of an image's class with those to all other proxies, equation 4::

        L = mean_i -log( exp(-s d(f_i, p_c)) / sum_{k != c} exp(-s d(f_i, p_k)) ),    d(f, p) = ||f - p / ||p|| ||^2

    The own proxy is not in the denominator, so the loss may be negative. s = 1 is the paper's; a larger one sharpens
    distances, which are at most 4 (Teh et al., "ProxyNCA++", 2020). pytorch-metric-learning's `ProxyNCALoss` has the own proxy
    in the denominator, which is another loss.
    """

    def __init__(self, num_classes: int, dim: int, *, scale: float = 8.0) -> None:
        """num_classes: C, at least 2; dim: D; scale: s, above 0."""
        super().__init__()
        self.scale = scale
        self.proxies = Prototypes(num_classes, dim)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The mean loss, a scalar.

        embeddings: (N, D) float32, L2-normalised. labels: (N,) int64 in [0, C).

        Raises:
            ValueError: embeddings and labels are not a batch.
        """
        check_batch(embeddings, labels)
        proxies = functional.normalize(self.proxies.weight, dim=1)
        scores = -self.scale * squared_distances(embeddings, proxies)  # (N, C)
        own = scores.gather(1, labels[:, None])
        others = scores.scatter(1, labels[:, None], -torch.inf).logsumexp(1)
        return (others - own.squeeze(1)).mean()
