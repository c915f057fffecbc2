"""Proxy-NCA and Proxy-Anchor are equation 4 of their papers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.losses.classification.proxy_anchor import ProxyAnchor
from models.losses.classification.proxy_nca import ProxyNca
from tests.support.losses import batch, close, gradient_is_right, log_sum_exp, to_numpy, unit_rows


@pytest.mark.parametrize("scale", [1.0, 8.0])
def test_proxy_nca_is_equation_4(scale: float) -> None:
    torch.manual_seed(1)
    embeddings, labels = batch()
    loss = ProxyNca(4, 6, scale=scale)
    proxies = unit_rows(to_numpy(loss.proxies.weight))
    total = 0.0
    for row, label in zip(to_numpy(embeddings), labels.tolist(), strict=True):
        distances = ((row - proxies) ** 2).sum(axis=1)
        total += scale * distances[label] + log_sum_exp(-scale * np.delete(distances, label))
    assert close(loss(embeddings, labels), float(total) / len(labels))


def test_proxy_anchor_is_equation_4() -> None:
    torch.manual_seed(2)
    embeddings, labels = batch(9, classes=3)
    loss = ProxyAnchor(5, 6)
    (weights,) = loss.parameters()
    cosines = to_numpy(embeddings) @ unit_rows(to_numpy(weights)).T
    pull, push = [], []
    for proxy in range(5):
        own = labels.numpy() == proxy
        if own.any():
            pull.append(np.log1p(np.exp(-32 * (cosines[own, proxy] - 0.1)).sum()))
        push.append(np.log1p(np.exp(32 * (cosines[~own, proxy] + 0.1)).sum()))
    assert len(pull) == 3
    assert close(loss(embeddings, labels), float(np.mean(pull) + np.mean(push)))


@pytest.mark.parametrize("loss", [ProxyNca(4, 6), ProxyAnchor(4, 6, alpha=4.0)])
def test_gradient_is_right(loss: ProxyNca | ProxyAnchor) -> None:
    embeddings, labels = batch()
    assert gradient_is_right(loss, lambda rows: loss(rows, labels), embeddings)
    loss(embeddings.double(), labels).backward()
    (weights,) = loss.parameters()
    assert weights.grad is not None
    assert weights.grad.any()
