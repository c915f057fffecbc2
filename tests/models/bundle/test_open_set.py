"""Classes from a few examples, and tiles of no class."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.bundle.open_set import OpenSetClasses, auroc

CLASSES, DIMENSION = 8, 24


def _world(per_class: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    centres = np.random.default_rng(0).normal(size=(CLASSES, DIMENSION))
    labels = np.repeat(np.arange(CLASSES), per_class)
    rows = centres[labels] + 0.7 * np.random.default_rng(seed).normal(size=(len(labels), DIMENSION))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


def _fit(known: int, seed: int = 1) -> OpenSetClasses:
    rows, labels = _world(8, seed)
    others, _ = _world(60, seed + 1)
    chosen = labels < known
    return OpenSetClasses.fit(rows[chosen], labels[chosen][:, None] == np.arange(known), np.arange(chosen.sum()), others)


@pytest.mark.parametrize("known", [1, 2, 5])
def test_classes_and_none_of_these_are_told_apart(known: int) -> None:
    found = _fit(known)
    rows, labels = _world(50, 9)
    probabilities = found.probabilities(rows)
    assert np.allclose(probabilities.sum(axis=1), 1)
    is_known = labels < known
    assert (probabilities[is_known, :-1].argmax(axis=1) == labels[is_known]).mean() > 0.95
    assert auroc(-probabilities[~is_known, -1], -probabilities[is_known, -1]) > 0.95
    assert found.quality is not None
    assert found.quality.auroc > 0.85
    best = probabilities.max(axis=1)
    right = np.where(is_known, labels, known) == probabilities.argmax(axis=1)
    assert abs(best.mean() - right.mean()) < 0.1


def test_the_share_of_no_class_is_that_of_the_archive() -> None:
    assert _fit(6).share < _fit(4).share
    assert _fit(4).share == pytest.approx(0.5, abs=0.15)


def test_examples_of_the_own_place_are_not_used() -> None:
    found = _fit(5)
    lone = found.examples[:1]
    assert found.probabilities(lone, found.places[:1])[0, -1] > found.probabilities(lone)[0, -1]


def test_without_labels_everything_is_none_and_a_few_labels_are_not_fitted() -> None:
    rows, _ = _world(5, 1)
    none = OpenSetClasses.fit(rows[:0], np.zeros((0, 0), np.bool_), np.zeros(0, np.intp), rows)
    assert np.all(none.probabilities(rows) == 1)
    assert none.quality is None
    few = OpenSetClasses.fit(rows[:2], np.eye(2, dtype=bool), np.arange(2), rows)
    assert few.quality is None
    assert few.probabilities(rows).shape == (len(rows), 3)
    with_an_empty_class = OpenSetClasses.fit(rows[:2], np.eye(2, 3, dtype=bool), np.arange(2), rows)
    assert np.all(with_an_empty_class.probabilities(rows)[:, 2] < 1e-3)


def test_auroc_counts_equal_scores_half() -> None:
    assert auroc(np.array([0.0, 1.0]), np.array([1.0, 2.0])) == pytest.approx(0.875)
    assert auroc(np.zeros(3), np.zeros(2)) == 0.5
