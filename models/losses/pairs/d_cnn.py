"""D-CNN: softmax with a metric regulariser. Cheng et al., "When deep learning meets metric learning", 2018."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from models.losses.checks import check_batch
from models.losses.pairs.distances import squared_distances


class DCnn(nn.Module):
    """Cross entropy plus a hinge on every pair, the paper's J = J_1 + lambda_1 J_2::

        J_1 = mean_i -log softmax(W f_i + b)_c
        J_2 = mean_{i < j} [ slack - y_ij (tau - ||f_i - f_j||^2) ]_+,    y_ij = 1 for one class, -1 otherwise

    The hinge is 0 for pairs of one class nearer than tau - slack and for others farther than tau + slack, in squared distance.
    The paper sums J_2 over the pairs of a batch; the mean makes lambda_1 independent of the batch. Its last term, weight decay,
    belongs to the optimiser.
    """

    def __init__(self, num_classes: int, dim: int, *, tau: float = 0.44, slack: float = 0.05, weight: float = 0.05) -> None:
        """num_classes: C; dim: D; tau, slack: squared distances; weight: lambda_1, at least 0."""
        super().__init__()
        self.tau, self.slack, self.weight = tau, slack, weight
        self.classifier = nn.Linear(dim, num_classes)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The loss, a scalar at least 0.

        embeddings: (N, D) float32, L2-normalised. labels: (N,) int64 in [0, C).

        Raises:
            ValueError: embeddings and labels are not a batch.
        """
        check_batch(embeddings, labels)
        softmax = functional.cross_entropy(self.classifier(embeddings), labels)
        return softmax + self.weight * self._metric(embeddings, labels)

    def _metric(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """J_2, a scalar at least 0; 0 for a single image."""
        count = embeddings.shape[0]
        sign = (labels[:, None] == labels[None, :]).to(embeddings.dtype) * 2 - 1
        hinge = (self.slack - sign * (self.tau - squared_distances(embeddings, embeddings))).clamp_min(0)
        return hinge.triu(diagonal=1).sum() / max(1, count * (count - 1) // 2)
