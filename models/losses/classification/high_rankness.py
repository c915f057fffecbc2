"""High-rankness regularisation of the predictions on an unlabelled batch: equations 5 and 6 of HR-S2DML."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.losses.checks import check_embeddings

RankScale = Literal["sum", "batch", "mean"]
RankFeatures = Literal["projected", "unit"]


class HighRankness(nn.Module):
    """Minus the nuclear norm of the predicted class probabilities of a batch, equation 5 with the P of equation 6::

        L_HR = -||P||_*,    P = softmax(W^T F(X) / tau_r) over the classes,    ||P||_* = sum of P's singular values

    It decreases as predictions become confident (longer rows) and diverse (rows of more directions), so that unlabelled images
    move away from class boundaries without collapsing into one class. F(X) is the output of the network before its L2
    normalisation, and equation 6 has no temperature (tau_r = 1). With unit vectors instead, logits are within -1..1, and
    probabilities become confident only with a smaller tau_r.
    """

    def __init__(self, *, tau: float = 1.0, scale: RankScale = "sum", features: RankFeatures = "projected") -> None:
        """tau: temperature, above 0. scale: "sum" is equation 5, "batch" divides by the rows M, "mean" by the number of
        singular values min(M, C). features: "projected" takes F(X) as it is, "unit" normalises it first."""
        super().__init__()
        self.tau = tau
        self.scale = scale
        self.features = features

    def forward(self, features: Tensor, prototypes: Tensor) -> Tensor:
        """A scalar in [-sqrt(M min(M, C)), 0) before scaling.

        features: (M, D) float32, F(X) of unlabelled images, not normalised. prototypes: (C, D) float32, L2-normalised.

        Raises:
            ValueError: embeddings or prototypes of another shape or dtype.
        """
        check_embeddings(features, "unlabelled features")
        check_embeddings(prototypes, "prototypes")
        points = functional.normalize(features, dim=1) if self.features == "unit" else features
        probabilities = torch.softmax(points @ prototypes.T / self.tau, dim=1)  # (M, C)
        norm: Tensor = torch.linalg.matrix_norm(probabilities, ord="nuc")
        rows, classes = probabilities.shape
        divisor = {"sum": 1, "batch": rows, "mean": min(rows, classes)}[self.scale]
        return -norm / divisor
