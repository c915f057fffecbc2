"""One learned vector per class, compared with embeddings by cosine."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Prototypes(nn.Module):
    """The class weights w_c of the normalised softmax losses, `weight` (C, D); only their directions matter."""

    def __init__(self, num_classes: int, dim: int) -> None:
        """num_classes: C, at least 2; dim: D."""
        super().__init__()
        if num_classes < 2 or dim < 1:
            raise ValueError(f"prototypes need at least 2 classes and 1 dimension, not {num_classes} and {dim}")
        self.weight = nn.Parameter(torch.randn(num_classes, dim) / dim**0.5)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Cosines (N, C) in [-1, 1] between unit embeddings (N, D) and the prototypes."""
        return functional.linear(embeddings, functional.normalize(self.weight, dim=1))
