"""Cross entropy over pairs, the loss of residual-dyad's matchers (section III, equation 9)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class PairCrossEntropy(nn.Module):
    """The binary cross entropy of residual-dyad's section III over the softmax of two logits::

        L = mean_ij -( y_ij log p_ij + (1 - y_ij) log(1 - p_ij) ),    p_ij = softmax(logits)_1

    y_ij is 1 for a matching pair. With smoothing e the targets are 1 - e and e instead of 1 and 0, which keeps the logits
    finite and the probabilities calibrated.
    """

    def __init__(self, *, smoothing: float = 0.0) -> None:
        """smoothing: e, in [0, 0.5)."""
        super().__init__()
        if not 0 <= smoothing < 0.5:
            raise ValueError(f"smoothing must be in [0, 0.5), not {smoothing}")
        self.smoothing = smoothing

    def forward(self, logits: Tensor, matches: Tensor) -> Tensor:
        """The mean loss, a scalar at least 0.

        logits: (N, 2) float32: no match, match. matches: (N,) int64 or bool: 1 for a pair of one class.

        Raises:
            ValueError: tensors of another shape.
        """
        if logits.ndim != 2 or logits.shape[1] != 2 or matches.shape != logits.shape[:1]:
            shapes = f"{tuple(logits.shape)} and {tuple(matches.shape)}"
            raise ValueError(f"pairs need logits (N, 2) and matches (N,), not {shapes}")
        # torch distributes its smoothing over both classes, half to each
        return functional.cross_entropy(logits.float(), matches.to(torch.int64), label_smoothing=2 * self.smoothing)
