"""Chunked rankings against full sorts, ties and memory included."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.ranking import distance_chunks, nearest, ranks_of
from models.evaluation.metrics.retrieval import retrieval_metrics


def unit(count: int, dim: int, seed: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, dim))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_nearest_agrees_with_a_full_sort(chunk: int) -> None:
    queries, database = unit(20, 8, 1), unit(150, 8, 2)
    found = nearest(queries, database, 12, chunk=chunk)
    similarity = queries @ database.T
    np.testing.assert_array_equal(found.indices, np.argsort(-similarity, axis=1, kind="stable")[:, :12])
    np.testing.assert_allclose(found.similarities, -np.sort(-similarity, axis=1)[:, :12], rtol=1e-6)


def test_ties_at_the_last_place_go_to_the_first_rows() -> None:
    database = np.tile(np.array([[1, 0], [0, 1]], dtype=np.float32), (4, 1))
    found = nearest(database[:1], database, 3)
    np.testing.assert_array_equal(found.indices, [[0, 2, 4]])


def test_a_query_that_is_in_the_database_does_not_find_itself() -> None:
    database = unit(30, 4, 3)
    own = np.array([4, 17, 29])
    found = nearest(database[own], database, 100, own=own)
    assert found.indices.shape == (3, 29)
    for row, itself in zip(found.indices, own, strict=True):
        assert sorted(row) == [i for i in range(30) if i != itself]


def test_ranks_agree_with_a_full_sort_with_and_without_ties() -> None:
    random = np.random.default_rng(4)
    few, many = random.integers(0, 40, 1500), random.integers(0, 700, 1500)
    for values in (random.normal(size=1500), few.astype(np.float64), many.astype(np.float64)):
        wanted = np.sort(random.choice(1500, 600, replace=False))
        order = np.argsort(values, kind="stable")
        plain = [place for place, item in enumerate(order, 1) if item in wanted]
        np.testing.assert_array_equal(ranks_of(values, np.sort(values), wanted), plain)


def test_queries_out_of_the_database_measure_as_the_whole_does() -> None:
    database, labels = unit(80, 6, 5), np.random.default_rng(5).integers(0, 4, 80)
    own = np.array([3, 50, 79])
    part = retrieval_metrics(database[own], labels[own], database, labels, exclude_self=True, own=own)
    single = [
        retrieval_metrics(database[[i]], labels[[i]], np.delete(database, i, 0), np.delete(labels, i), exclude_self=False)
        for i in own
    ]
    assert part.database == 79
    assert part.mean_average_precision == pytest.approx(np.mean([each.mean_average_precision for each in single]))
    assert part.anmrr == pytest.approx(np.mean([each.anmrr for each in single]))
    assert part.knn_accuracy == pytest.approx(np.mean([each.knn_accuracy for each in single]))


def test_chunks_never_hold_more_than_was_asked() -> None:
    shapes = [chunk.distances.shape for chunk in distance_chunks(unit(50, 4, 6), unit(200, 4, 7), None, 16)]
    assert shapes == [(16, 200), (16, 200), (16, 200), (2, 200)]


def test_memory_stays_far_below_the_whole_matrix() -> None:
    vectors, labels = unit(4000, 8, 8), np.arange(4000) % 10
    whole = 4000 * 4000 * 4
    tracemalloc.start()
    try:
        retrieval_metrics(vectors[:600], labels[:600], vectors, labels, exclude_self=True, own=np.arange(600), chunk=16)
        nearest(vectors, vectors, 10, own=np.arange(4000), chunk=16)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < whole / 20


@pytest.mark.parametrize(
    ("own", "k", "reason"),
    [(np.array([0, 9]), 1, "own must have"), (np.array([0]), 1, "own must have"), (None, 0, "k must be at least 1")],
)
def test_wrong_input_is_refused(own: NDArray[np.intp] | None, k: int, reason: str) -> None:
    with pytest.raises(EvaluationError, match=reason):
        nearest(unit(2, 3, 0), unit(5, 3, 1), k, own=own)
