"""Proxy-Anchor. Kim et al., "Proxy anchor loss for deep metric learning", 2020, equation 4."""

from __future__ import annotations

from pytorch_metric_learning import losses
from torch import Tensor, nn

from models.losses.checks import check_batch


class ProxyAnchor(nn.Module):
    """Each class proxy is an anchor that pulls its images and pushes all others, the hardest the most::

        L = 1/|P+| sum_{p in P+} log(1 + sum_{x in X_p+} exp(-alpha (s(x, p) - margin)))
          + 1/|P|  sum_{p in P}  log(1 + sum_{x in X_p-} exp( alpha (s(x, p) + margin)))

    s is the cosine, P all proxies, P+ those with images in the batch, X_p+ and X_p- the images of p's class and the rest.
    Relations between the images of a batch enter through the sums, which a softmax over classes leaves out.
    pytorch-metric-learning's `ProxyAnchorLoss`.
    """

    def __init__(self, num_classes: int, dim: int, *, margin: float = 0.1, alpha: float = 32.0) -> None:
        """num_classes: C; dim: D; margin: of the cosine; alpha: sharpness, above 0."""
        super().__init__()
        self.inner = losses.ProxyAnchorLoss(num_classes, dim, margin=margin, alpha=alpha)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The loss, a scalar at least 0.

        embeddings: (N, D) float32, L2-normalised. labels: (N,) int64 in [0, C).

        Raises:
            ValueError: embeddings and labels are no batch.
        """
        check_batch(embeddings, labels)
        loss: Tensor = self.inner(embeddings, labels)
        return loss
