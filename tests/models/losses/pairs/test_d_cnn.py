"""D-CNN is softmax plus its hinge on pairs."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from models.losses.pairs.d_cnn import DCnn
from tests.support.losses import batch, close, gradient_is_right, log_sum_exp, to_numpy


def test_d_cnn_is_softmax_plus_hinge() -> None:
    torch.manual_seed(1)
    embeddings, labels = batch()
    loss = DCnn(4, 6, weight=0.5)
    rows, kinds = to_numpy(embeddings), labels.tolist()
    scores = rows @ to_numpy(loss.classifier.weight).T + to_numpy(loss.classifier.bias)
    softmax = np.mean([log_sum_exp(row) - row[label] for row, label in zip(scores, kinds, strict=True)])
    hinges = []
    for i, j in itertools.combinations(range(12), 2):
        sign = 1 if kinds[i] == kinds[j] else -1
        hinges.append(max(0.0, 0.05 - sign * (0.44 - float(((rows[i] - rows[j]) ** 2).sum()))))
    assert close(loss(embeddings, labels), float(softmax + 0.5 * np.mean(hinges)))


def test_gradient_is_right_away_from_the_hinge() -> None:
    torch.manual_seed(2)
    embeddings, labels = batch()
    loss = DCnn(4, 6, slack=5.0, weight=1.0)
    assert gradient_is_right(loss, lambda rows: loss(rows, labels), embeddings)


def test_a_single_image_has_no_pairs() -> None:
    embeddings, labels = batch()
    loss = DCnn(4, 6)
    softmax = torch.nn.functional.cross_entropy(loss.classifier(embeddings[:1]), labels[:1])
    assert close(loss(embeddings[:1], labels[:1]), softmax.item())
