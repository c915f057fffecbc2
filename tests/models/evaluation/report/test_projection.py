from __future__ import annotations

import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from models.evaluation.errors import EvaluationError
from models.evaluation.report.projection import embedding_map


def groups(each: int) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    labels = np.repeat(np.arange(3), each)
    vectors = np.eye(3, 16)[labels] + np.random.default_rng(0).normal(0, 0.05, (3 * each, 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def share_of_equal_neighbours(points: NDArray[np.float32], labels: NDArray[np.intp]) -> float:
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    return float((labels[distance.argmin(axis=1)] == labels).mean())


def test_tsne_keeps_groups_together_and_repeats_itself() -> None:
    vectors, labels = groups(20)
    shown = embedding_map(vectors, seed=1)
    assert shown.points.shape == (60, 2)
    assert share_of_equal_neighbours(shown.points, labels) == 1
    np.testing.assert_array_equal(shown.points, embedding_map(vectors, seed=1).points)


def test_umap_keeps_groups_together() -> None:
    pytest.importorskip("umap", reason="needs umap-learn")
    vectors, labels = groups(20)
    assert share_of_equal_neighbours(embedding_map(vectors, method="umap").points, labels) == 1


def test_only_so_many_are_shown() -> None:
    vectors, _ = groups(20)
    shown = embedding_map(vectors, limit=24)
    assert len(shown.rows) == len(shown.points) == len(set(shown.rows.tolist())) == 24
    assert np.all(np.diff(shown.rows) > 0)


def test_what_cannot_be_drawn_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EvaluationError, match="at least 5"):
        embedding_map(np.eye(4))
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(EvaluationError, match="pip install umap-learn"):
        embedding_map(np.eye(8), method="umap")
