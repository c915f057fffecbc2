from __future__ import annotations

import numpy as np
import pytest

from models.data.errors import DataError
from models.data.splits import flip_labels, k_folds, split_fraction

LABELS = np.repeat(np.arange(5), [40, 30, 20, 10, 7]).astype(np.int64)
GROUPS = np.arange(len(LABELS), dtype=np.int64)
GROUPS[1] = GROUPS[0]  # a pair in class 0
GROUPS[45:48] = GROUPS[45]  # a triple in class 1
GROUPS[75] = GROUPS[2]  # the same image in classes 0 and 2


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.15, 0.2, 0.5, 0.8])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_splits_each_class_by_the_fraction(fraction: float, seed: int) -> None:
    split = split_fraction(LABELS, GROUPS, fraction, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate([split.train, split.test])), np.arange(len(LABELS)))
    assert not set(GROUPS[split.train]) & set(GROUPS[split.test])
    for name, size in enumerate([40, 30, 20, 10, 7]):
        taken = int((LABELS[split.train] == name).sum())
        assert 1 <= taken < size
        assert abs(taken - fraction * size) <= 2


def test_splits_exactly_without_duplicates() -> None:
    labels = np.repeat(np.arange(21), 100)
    split = split_fraction(labels, np.arange(2100), 0.8, seed=3)
    np.testing.assert_array_equal(np.bincount(labels[split.train]), [80] * 21)


def test_the_seed_decides() -> None:
    first, again, other = (split_fraction(LABELS, GROUPS, 0.5, seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first.train, again.train)
    assert first.train.tolist() != other.train.tolist()


@pytest.mark.parametrize("k", [2, 5])
def test_folds_are_disjoint_and_stratified(k: int) -> None:
    folds = k_folds(LABELS, GROUPS, k, seed=0)
    np.testing.assert_array_equal(np.sort(np.concatenate([fold.test for fold in folds])), np.arange(len(LABELS)))
    for fold in folds:
        assert not set(GROUPS[fold.train]) & set(GROUPS[fold.test])
        assert len(fold.train) + len(fold.test) == len(LABELS)
        shares = np.bincount(LABELS[fold.test], minlength=5)
        assert np.abs(shares - np.bincount(LABELS) / k).max() <= 3
    sizes = [len(fold.test) for fold in folds]
    assert max(sizes) - min(sizes) <= 2


def test_refuses_what_cannot_be_split() -> None:
    for fraction in (0, 1, 1.5):
        with pytest.raises(DataError, match="between 0 and 1"):
            split_fraction(LABELS, GROUPS, fraction, 0)
    with pytest.raises(DataError, match="class 0 has only one image"):
        split_fraction(np.array([0, 0]), np.array([7, 7]), 0.5, 0)
    with pytest.raises(DataError, match="too few for 8 folds"):
        k_folds(LABELS, GROUPS, 8, 0)
    with pytest.raises(DataError, match="at least 2"):
        k_folds(LABELS, GROUPS, 1, 0)
    with pytest.raises(DataError, match="do not fit"):
        k_folds(LABELS, GROUPS[1:], 2, 0)


def test_label_noise_is_exact_and_uniform() -> None:
    labels = np.repeat(np.arange(4), 1000)
    noisy = flip_labels(labels, 4, 0.2, seed=1)
    wrong = noisy != labels
    assert wrong.sum() == 800
    assert set(noisy) == {0, 1, 2, 3}
    assert np.bincount((noisy - labels)[wrong] % 4, minlength=4)[1:].min() > 200
    np.testing.assert_array_equal(noisy, flip_labels(labels, 4, 0.2, seed=1))
    assert (flip_labels(labels, 4, 0.2, seed=2) != noisy).any()
    for fraction, classes in ((-0.1, 4), (1.1, 4), (0.1, 1)):
        with pytest.raises(DataError, match="label noise"):
            flip_labels(labels, classes, fraction, 0)
