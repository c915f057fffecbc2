"""Proxy-Anchor. Kim et al., "Proxy anchor loss for deep metric learning", 2020, equation 4."""

from __future__ import annotations

from pytorch_metric_learning import losses

from models.losses.classification.library_loss import LibraryLoss


class ProxyAnchor(LibraryLoss):
    """Each class proxy is an anchor that pulls its images and pushes all others, weighted by hardness, equation 4::

        L = 1/|P+| sum_{p in P+} log(1 + sum_{x in X_p+} exp(-alpha (s(x, p) - margin)))
          + 1/|P|  sum_{p in P}  log(1 + sum_{x in X_p-} exp( alpha (s(x, p) + margin)))

    s is the cosine, P all proxies, P+ those with images in the batch, X_p+ and X_p- the images of p's class and the rest.
    The sums relate the images of a batch to each other, which a softmax over classes does not. Computed by
    pytorch-metric-learning's `ProxyAnchorLoss`.
    """

    def __init__(self, num_classes: int, dim: int, *, margin: float = 0.1, alpha: float = 32.0) -> None:
        """num_classes: C; dim: D; margin: of the cosine; alpha: sharpness, above 0."""
        super().__init__(losses.ProxyAnchorLoss(num_classes, dim, margin=margin, alpha=alpha))
