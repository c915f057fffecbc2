"""Similarity retention: two balls, easy samples untouched, weights by the ratio of hard ones and by density."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.losses.pairs.similarity_retention import SimilarityRetention
from tests.support.losses import batch, close, gradient_is_right, to_numpy

TAU, MARGIN = 1.2, 0.5


def plainly(embeddings: torch.Tensor, labels: torch.Tensor) -> float:
    """Query by query."""
    rows, kinds = to_numpy(embeddings), labels.tolist()
    everyone = range(len(kinds))
    apart = np.array([[np.linalg.norm(rows[i] - rows[j]) for j in everyone] for i in everyone])
    inner, total = TAU - MARGIN, 0.0
    for q in everyone:
        positives = [p for p in everyone if p != q and kinds[p] == kinds[q]]
        far = [p for p in positives if apart[q, p] > inner]
        if far:
            total += len(far) / len(positives) * float(np.mean([(apart[q, p] - inner) ** 2 for p in far]))
        near = [n for n in everyone if kinds[n] != kinds[q] and apart[q, n] < TAU]
        density = {n: sum(apart[n, k] < inner or n == k for k in near) for n in near}
        total += sum(density[n] * (TAU - apart[q, n]) ** 2 for n in near) / max(1, sum(density.values()))
    return total / len(kinds) / 2


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_similarity_retention_is_its_equation(seed: int) -> None:
    embeddings, labels = batch(20, seed=seed)
    assert close(SimilarityRetention(tau=TAU, margin=MARGIN)(embeddings, labels), plainly(embeddings, labels))


def test_gradient_is_right() -> None:
    embeddings, labels = batch(8, classes=2)
    loss = SimilarityRetention(tau=TAU, margin=MARGIN)
    assert gradient_is_right(loss, lambda rows: loss(rows, labels), embeddings)


def test_easy_samples_stay_where_they_are() -> None:
    tight = functional.normalize(torch.eye(4).repeat_interleave(3, 0) + 0.02 * torch.rand(12, 4), dim=1).requires_grad_()
    loss = SimilarityRetention()(tight, torch.arange(4).repeat_interleave(3))
    loss.backward()
    assert loss.item() == 0
    assert tight.grad is not None
    assert not tight.grad.any()


def test_margin_must_leave_a_ball() -> None:
    with pytest.raises(ValueError, match="between 0 and tau"):
        SimilarityRetention(tau=0.5, margin=0.5)
