"""Pairs are balanced, hard ones come from the pools, and the rest stays random."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.losses.pairs import pair_sampling
from models.losses.pairs.pair_sampling import PairSampler
from tests.support.losses import batch, to_numpy


def sampler(labels: torch.Tensor, *, positives: float = 0.5, hard: float = 0.5, pool: int = 3, seed: int = 0) -> PairSampler:
    """A sampler with a seed of its own."""
    generator = torch.Generator().manual_seed(seed)
    return PairSampler(labels, positives=positives, hard=hard, pool=pool, generator=generator)


@pytest.mark.parametrize(("positives", "mined"), [(0.5, False), (0.5, True), (0.2, True), (0.0, True), (1.0, True)])
def test_shares_are_exact_and_pairs_are_true(positives: float, mined: bool) -> None:
    embeddings, labels = batch(60, classes=5)
    draws = sampler(labels, positives=positives)
    if mined:
        draws.mine(embeddings)
    pairs = draws.draw(100)
    assert int(pairs.matches.sum()) == round(100 * positives)
    assert torch.equal(labels[pairs.left] == labels[pairs.right], pairs.matches)
    assert (pairs.left != pairs.right).all()


def test_hard_pairs_come_from_the_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_sampling, "_CHUNK", 7)
    embeddings, labels = batch(60, classes=5)
    draws = sampler(labels, hard=1.0)
    draws.mine(embeddings)
    rows, kinds = to_numpy(embeddings), labels.numpy()
    for left, right, match in zip(*(part.tolist() for part in draws.draw(200)), strict=True):
        similarity = rows @ rows[left]
        partners = [i for i in range(60) if i != left and (kinds[i] == kinds[left]) == match]
        partners.sort(key=lambda i: similarity[i] if match else -similarity[i])
        assert right in partners[:3]


def test_the_rest_is_random_and_reaches_far_away_images() -> None:
    embeddings, labels = batch(60, classes=5)
    random, mixed, hard = (sampler(labels, hard=share) for share in (0.0, 0.5, 1.0))
    seen = []
    for draws in (random, mixed, hard):
        draws.mine(embeddings)
        pairs = draws.draw(4000)
        similarity = (embeddings[pairs.left] * embeddings[pairs.right]).sum(1)[~pairs.matches]
        seen.append((float(similarity.mean()), float(similarity.min())))
    assert seen[0][0] < seen[1][0] < seen[2][0]
    assert seen[0][1] == pytest.approx(seen[1][1], abs=0.1)
    assert seen[1][1] < seen[2][1]


def test_random_partners_are_as_likely_each() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    pairs = sampler(labels).draw(6000)
    counts = np.zeros((6, 6))
    np.add.at(counts, (pairs.left.numpy(), pairs.right.numpy()), 1)
    same = (labels[:, None] == labels[None, :]).numpy() & ~np.eye(6, dtype=bool)
    assert np.allclose(counts[same], 3000 / 12, rtol=0.3)
    assert np.allclose(counts[~same & ~np.eye(6, dtype=bool)], 3000 / 18, rtol=0.35)


def test_a_seed_repeats_the_pairs_and_lone_images_never_match() -> None:
    labels = torch.tensor([0, 0, 1, 2, 2])
    first, second = sampler(labels, seed=3).draw(50), sampler(labels, seed=3).draw(50)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert 2 not in first.left[first.matches]


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2]])
def test_refuses_labels_without_both_kinds(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="two classes"):
        sampler(torch.tensor(labels))


def test_refuses_other_embeddings_and_shares() -> None:
    with pytest.raises(ValueError, match=r"\(6, D\) embeddings"):
        sampler(torch.tensor([0, 0, 0, 1, 1, 1])).mine(torch.rand(5, 4))
    with pytest.raises(ValueError, match="shares"):
        sampler(torch.tensor([0, 0, 1]), hard=1.5)
