from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score  # type: ignore[import-untyped]

from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.retrieval import (
    average_precision,
    average_precision_at_r,
    average_precision_found,
    average_precision_possible,
    interpolated_precision,
    majority,
    nmrr,
    precision_at,
    retrieval_metrics,
    score_metrics,
)


def ranks(*values: int) -> NDArray[np.intp]:
    return np.array(values, dtype=np.intp)


def unit(rows: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def random_set(count: int, classes: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Clusters that overlap, so that rankings are neither perfect nor random."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    return unit(rng.normal(size=(classes, 12))[labels] + rng.normal(size=(count, 12))), labels


def test_average_precision_by_hand() -> None:
    # Relevant at 1, 3 and 6: precisions 1/1, 2/3, 3/6.
    assert average_precision(ranks(1, 3, 6)) == pytest.approx((1 + 2 / 3 + 1 / 2) / 3)


def test_average_precision_at_r_by_hand() -> None:
    # G = 3, so only the first three places count: (1/1 + 2/3 + 0) / 3.
    assert average_precision_at_r(ranks(1, 3, 6)) == pytest.approx((1 + 2 / 3) / 3)
    assert average_precision_at_r(ranks(4, 5, 6)) == 0


def test_average_precision_at_a_depth_by_hand() -> None:
    # Among the first five: places 1 and 3 of three relevant items. Found: (1/1 + 2/3) / 2; possible: over min(3, 5).
    assert average_precision_found(ranks(1, 3, 6), 5) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision_possible(ranks(1, 3, 6), 5) == pytest.approx((1 + 2 / 3) / 3)
    assert average_precision_possible(ranks(1, 3, 6), 2) == pytest.approx(1 / 2)
    assert average_precision_found(ranks(21, 30), 20) == average_precision_possible(ranks(21, 30), 20) == 0


def test_nmrr_by_hand() -> None:
    # G = 3, K = 6, penalty 7.5. Ranks 1, 3, 6 stay: mean 10/3, best 2, so (10/3 - 2) / (7.5 - 2).
    assert nmrr(ranks(1, 3, 6)) == pytest.approx((10 / 3 - 2) / 5.5)
    # The third is behind K: 1, 3, 7.5, mean 11.5/3, however far behind.
    assert nmrr(ranks(1, 3, 7)) == pytest.approx((11.5 / 3 - 2) / 5.5)
    assert nmrr(ranks(1, 3, 700)) == nmrr(ranks(1, 3, 7))


def test_nmrr_takes_each_querys_own_limit() -> None:
    # One relevant item: K = 2, penalty 2.5, best 1.
    assert nmrr(ranks(2)) == pytest.approx((2 - 1) / 1.5)
    assert nmrr(ranks(3)) == pytest.approx(1)


def test_precision_at_by_hand() -> None:
    assert [precision_at(ranks(1, 3, 6), k) for k in (1, 2, 5, 10)] == [1, 1 / 2, 2 / 5, 3 / 10]


def test_interpolated_precision_by_hand() -> None:
    # Precisions 1/2, 2/3, 3/9 at recalls 1/3, 2/3, 1: up to 2/3 the best that follows is 2/3, then 1/3.
    curve = interpolated_precision(ranks(2, 3, 9))
    np.testing.assert_allclose(curve[:67], 2 / 3)
    np.testing.assert_allclose(curve[67:], 1 / 3)


def test_interpolated_precision_steps_at_whole_items() -> None:
    curve = interpolated_precision(np.concatenate([np.arange(1, 30), np.arange(1000, 1071)]).astype(np.intp))  # G = 100
    assert curve[29] == 1  # recall 0.29 is reached by exactly 29 items
    assert curve[30] < 1


def test_majority_breaks_ties_by_the_nearest() -> None:
    neighbours = np.array([[0, 1, 1, 0], [2, 1, 1, 0], [2, 1, 0, 3]])
    np.testing.assert_array_equal(majority(neighbours, 4), [0, 1, 2])


def test_a_set_worked_by_hand() -> None:
    # One query of class a along x; items by falling cosine: a, b, a, b. Ranks 1 and 3.
    angles = np.radians([10, 20, 30, 40])
    database = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    query = np.array([[1, 0]], dtype=np.float32)
    report = retrieval_metrics(query, ["a"], database, ["a", "b", "a", "b"], exclude_self=False, ks=(1, 2, 4, 5))
    assert report.mean_average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert report.map_at_r == pytest.approx(1 / 2)
    assert report.map_at_20 == report.map_at_20_strict == pytest.approx((1 + 2 / 3) / 2)  # the whole ranking is within 20
    assert report.anmrr == pytest.approx((2 - 1.5) / (5 - 1.5))  # K = 4, both ranks within
    assert report.precision_at == {1: 1, 2: 0.5, 4: 0.5}
    assert report.class_average_precision == {"a": pytest.approx(5 / 6)}
    assert report.knn_accuracy == 1  # two against two, the nearest is an a


def test_agrees_with_scikit_learn() -> None:
    vectors, labels = random_set(300, 7, seed=1)
    report = retrieval_metrics(vectors, labels, vectors, labels, exclude_self=True)
    similarity = vectors @ vectors.T
    wanted = [
        average_precision_score(np.delete(labels == labels[i], i), np.delete(similarity[i], i)) for i in range(len(vectors))
    ]
    assert report.mean_average_precision == pytest.approx(np.mean(wanted), abs=1e-6)


@pytest.mark.parametrize(("seed", "chunk"), [(0, 1), (1, 7), (2, 1000)])
def test_agrees_with_a_plain_recomputation(seed: int, chunk: int) -> None:
    vectors, labels = random_set(90, 5, seed)
    report = retrieval_metrics(vectors, labels, vectors, labels, exclude_self=True, ks=(5, 50), chunk=chunk)
    plain = [plain_measures(vectors, labels, query) for query in range(len(vectors))]
    for index, value in enumerate([report.mean_average_precision, report.anmrr, report.precision_at[5], report.knn_accuracy]):
        assert value == pytest.approx(np.mean([measures[index] for measures in plain]))
    for label, value in report.class_average_precision.items():
        assert value == pytest.approx(np.mean([m[0] for m, own in zip(plain, labels, strict=True) if str(own) == label]))


def plain_measures(vectors: NDArray[np.float32], labels: NDArray[np.intp], query: int) -> tuple[float, float, float, float]:
    """AP, NMRR, P@5, kNN of one query, written as the paper writes them."""
    others = [i for i in range(len(vectors)) if i != query]
    others.sort(key=lambda i: (-float(vectors[query] @ vectors[i]), i))
    hits, ap, modified = 0, 0.0, 0.0
    relevant = sum(labels[i] == labels[query] for i in others)
    for position, i in enumerate(others, 1):
        if labels[i] == labels[query]:
            hits += 1
            ap += hits / position / relevant
            modified += (position if position <= 2 * relevant else 1.25 * 2 * relevant) / relevant
    best = 0.5 * (1 + relevant)
    nearest = [int(labels[i]) for i in others[:10]]
    vote = max(nearest, key=lambda label: (nearest.count(label), -nearest.index(label)))
    first = sum(labels[i] == labels[query] for i in others[:5]) / 5
    return ap, (modified - best) / (2.5 * relevant - best), first, float(vote == labels[query])


def test_a_perfect_ranking() -> None:
    labels = np.repeat(np.arange(4), 25)
    report = retrieval_metrics(
        np.eye(4, dtype=np.float32)[labels], labels, np.eye(4, dtype=np.float32)[labels], labels, exclude_self=True, ks=(10,)
    )
    assert (report.mean_average_precision, report.map_at_r, report.anmrr, report.knn_accuracy) == pytest.approx((1, 1, 0, 1))
    assert report.precision_at == {10: 1}
    assert report.precision_recall == [1] * 101


@pytest.mark.parametrize("seed", range(5))
def test_measures_stay_within_their_bounds_and_the_curve_falls(seed: int) -> None:
    vectors, labels = random_set(60, 1 + seed * 3, seed)
    report = retrieval_metrics(vectors[:20], labels[:20], vectors[20:], labels[20:], exclude_self=False)
    fields = report.to_dict()
    for name in ("mean_average_precision", "map_at_r", "map_at_20", "map_at_20_strict", "anmrr", "knn_accuracy"):
        assert 0 <= fields[name] <= 1
    assert report.map_at_r <= report.mean_average_precision
    assert report.map_at_20_strict <= report.map_at_20
    assert np.all(np.diff(report.precision_recall) <= 0)
    assert json.loads(json.dumps(fields))["precision_at"].keys() == {"5", "10"}


def test_ties_rank_by_index() -> None:
    same = np.tile(np.array([[1, 0]], dtype=np.float32), (4, 1))
    query = same[:1]
    first = retrieval_metrics(query, ["a"], same, ["a", "b", "b", "b"], exclude_self=False, ks=())
    last = retrieval_metrics(query, ["a"], same, ["b", "b", "b", "a"], exclude_self=False, ks=())
    assert (first.mean_average_precision, last.mean_average_precision) == (1, 0.25)


def test_queries_to_which_nothing_is_relevant_are_counted_apart() -> None:
    vectors = np.eye(3, dtype=np.float32)
    report = retrieval_metrics(vectors, ["a", "a", "lonely"], vectors, ["a", "a", "lonely"], exclude_self=True, ks=())
    assert (report.queries, report.without_match, report.database) == (3, 1, 2)
    assert report.class_average_precision.keys() == {"a"}
    with pytest.raises(ValueError, match="no query has a relevant item"):
        retrieval_metrics(vectors, ["a", "b", "c"], vectors, ["a", "b", "c"], exclude_self=True)


@pytest.mark.parametrize(
    ("queries", "labels", "exclude_self", "reason"),
    [
        (np.zeros((2, 4)), ["a", "a"], False, "must be"),
        (np.zeros((2, 3)), ["a"], False, "labels of shape"),
        (np.zeros((2, 3)), ["a", "a"], True, "the 2 queries are not the 3 items"),
        (np.full((2, 3), np.nan), ["a", "a"], False, "finite"),
        (np.zeros((0, 3)), [], False, "at least one query and one item"),
    ],
)
def test_wrong_input_is_refused(queries: NDArray[np.float64], labels: list[str], exclude_self: bool, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        retrieval_metrics(queries, labels, np.eye(3), ["a", "a", "a"], exclude_self=exclude_self)


def test_importing_the_metrics_imports_no_torch() -> None:
    code = "import models.evaluation.metrics.retrieval, sys; print(any(name.split('.')[0] == 'torch' for name in sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


def test_scores_are_ranked_as_their_embeddings_are() -> None:
    embeddings, labels = random_set(60, 4, 5)
    queries, own = np.arange(40, 60), np.arange(40, 60)
    similar = embeddings[queries] @ embeddings.T
    expected = retrieval_metrics(embeddings[queries], labels[queries], embeddings, labels, exclude_self=True, own=own)
    assert score_metrics(similar, labels[queries], labels, own=own, chunk=7) == expected


def test_scores_that_cannot_be_ranked_are_refused() -> None:
    with pytest.raises(EvaluationError, match="finite"):
        score_metrics(np.array([[0.5, np.nan]]), [0], [0, 1])
    with pytest.raises(EvaluationError, match="labels"):
        score_metrics(np.array([[0.5, 0.1]]), [0], [0, 1, 2])
