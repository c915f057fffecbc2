"""Scalable neighbourhood component analysis with a memory bank. Wu et al., 2018; for remote sensing Kang et al., "Deep metric
learning based on scalable neighborhood components", 2020."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.losses.checks import check_batch


class Snca(nn.Module):
    """The negative log probability that an image, picking a neighbour by similarity, picks one of its class::

        p_ij = exp(f_i . v_j / tau) / sum_{k != i} exp(f_i . v_k / tau)
        L = mean_i -log( P / (P + (1 - P) e^m) ),    P = sum_{j != i, y_j = y_i} p_ij

    v_j are the embeddings of the training set in a memory bank, updated after each batch with image i by
    v_i <- normalised(t v_i + (1 - t) f_i). The margin m weights the other classes e^m-fold, as in the authors' code; 0 is
    the published loss. Rows that are not filled yet are left out of the sums (the authors start from random rows), and an
    image without a stored neighbour of its class adds 0.
    """

    bank: Tensor
    """(T, D) float32: the stored embeddings, L2-normalised; unfilled rows are 0."""
    bank_labels: Tensor
    """(T,) int64: labels of the rows; -1 if unfilled."""

    def __init__(self, num_images: int, dim: int, *, tau: float = 0.1, momentum: float = 0.5, margin: float = 0.0) -> None:
        """num_images: T, images of the training set; dim: D; tau: temperature, above 0; momentum: t, in [0, 1); margin: m."""
        super().__init__()
        self.tau, self.momentum, self.margin = tau, momentum, margin
        self.register_buffer("bank", torch.zeros(num_images, dim))
        self.register_buffer("bank_labels", torch.full((num_images,), -1))

    def forward(self, embeddings: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """The mean loss, a scalar at least 0; in training mode the batch is stored in the bank afterwards.

        embeddings: (N, D) float32, L2-normalised. labels: (N,) int64, at least 0. indices: (N,) int64 in [0, T):
        different positions in the training set.

        Raises:
            ValueError: embeddings and labels are not a batch.
        """
        check_batch(embeddings, labels)
        scores = embeddings @ self.bank.to(embeddings.dtype).T / self.tau  # (N, T)
        known = (self.bank_labels >= 0).expand_as(scores).scatter(1, indices[:, None], False)
        same = known & (labels[:, None] == self.bank_labels[None, :])
        own = scores.masked_fill(~same, -torch.inf).logsumexp(1)
        others = scores.masked_fill(~known | same, -torch.inf).logsumexp(1) + self.margin
        usable = same.any(1)
        # log(1 + e^(others - own)) is -log of the own share; minus infinity (no others yet) gives 0.
        loss = functional.softplus((others - own)[usable]).sum() / usable.sum().clamp_min(1)
        if self.training:
            self._remember(embeddings.detach(), labels, indices)
        return loss + 0 * embeddings.sum()

    @torch.no_grad()
    def _remember(self, embeddings: Tensor, labels: Tensor, indices: Tensor) -> None:
        """Move the batch's rows towards its embeddings. New tensors: the backward pass still needs the old ones."""
        fresh = embeddings.to(self.bank.dtype)
        old = self.bank[indices]
        seen = (self.bank_labels[indices] >= 0)[:, None]
        mixed = torch.where(seen, self.momentum * old + (1 - self.momentum) * fresh, fresh)
        self.bank = self.bank.index_copy(0, indices, functional.normalize(mixed, dim=1))
        self.bank_labels = self.bank_labels.index_copy(0, indices, labels)
