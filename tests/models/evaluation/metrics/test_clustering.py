from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from sklearn.cluster import KMeans  # type: ignore[import-untyped]

from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.clustering import clustering_accuracy, kmeans_clustering


def test_separate_classes_are_found_whole() -> None:
    labels = np.repeat(["beach", "forest", "river"], 20)
    vectors = np.repeat(np.eye(3), 20, axis=0) + np.random.default_rng(0).normal(0, 0.02, (60, 3))
    found = kmeans_clustering(vectors, labels)
    assert (found.clusters, found.acc) == (3, 1)
    assert found.nmi == pytest.approx(1)


def test_nmi_is_equation_8_and_accuracy_equation_9() -> None:
    random = np.random.default_rng(1)
    labels, vectors = random.integers(0, 3, 90), random.normal(size=(90, 2))
    vectors += np.array([[0, 0], [2, 0], [0, 2]])[labels]
    found = kmeans_clustering(vectors, labels, seed=3)
    clusters = KMeans(3, n_init=10, random_state=3).fit_predict(vectors)
    joint = np.array([[np.mean((labels == i) & (clusters == j)) for j in range(3)] for i in range(3)])
    classes, groups = joint.sum(axis=1), joint.sum(axis=0)
    information = sum(joint[i, j] * np.log(joint[i, j] / classes[i] / groups[j]) for i, j in np.argwhere(joint > 0))
    entropy = -np.sum(classes * np.log(classes)) - np.sum(groups * np.log(groups))
    assert found.nmi == pytest.approx(2 * information / entropy)
    assert found.acc == pytest.approx(max(np.mean(np.array(mapping)[clusters] == labels) for mapping in permutations(range(3))))


def test_accuracy_gives_each_class_to_one_cluster_only() -> None:
    # Both clusters hold mostly class 0; only one may have it: 3 + 1 of 6.
    assert clustering_accuracy(["a", "a", "a", "a", "a", "b"], np.array([0, 0, 0, 1, 1, 1])) == pytest.approx(4 / 6)


def test_clustering_is_the_same_for_the_same_seed() -> None:
    random = np.random.default_rng(2)
    vectors, labels = random.normal(size=(50, 4)), random.integers(0, 5, 50)
    assert kmeans_clustering(vectors, labels, seed=1) == kmeans_clustering(vectors, labels, seed=1)


@pytest.mark.parametrize(("labels", "reason"), [(["a"] * 4, "two classes"), (["a", "b"], "labels of shape")])
def test_wrong_input_is_refused(labels: list[str], reason: str) -> None:
    with pytest.raises(EvaluationError, match=reason):
        kmeans_clustering(np.eye(4), labels)
