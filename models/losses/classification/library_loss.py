"""Base of the losses that pytorch-metric-learning computes."""

from __future__ import annotations

from torch import Tensor, nn

from models.losses.checks import check_batch


class LibraryLoss(nn.Module):
    """Checks a batch and calls a loss of pytorch-metric-learning, `inner`, whose parameters are the class prototypes."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The mean loss, a scalar at least 0.

        embeddings: (N, D) float32, L2-normalised. labels: (N,) int64 in [0, C).

        Raises:
            ValueError: embeddings and labels are not a batch.
        """
        check_batch(embeddings, labels)
        loss: Tensor = self.inner(embeddings, labels)
        return loss
