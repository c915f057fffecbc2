from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix  # type: ignore[import-untyped]
from sklearn.neighbors import KNeighborsClassifier  # type: ignore[import-untyped]

from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.neighbours import knn_confusion, knn_predictions, retrieval_confusion
from models.evaluation.metrics.ranking import Neighbours, nearest
from models.evaluation.metrics.retrieval import retrieval_metrics


def test_predictions_and_confusion_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(0)
    names = np.array(["airport", "beach", "canal"])
    numbers = random.integers(0, 3, 200)
    vectors = np.eye(3, 6)[numbers] + random.normal(0, 0.6, (200, 6))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    queries, database, wanted, stored = vectors[:60], vectors[60:], names[numbers[:60]], names[numbers[60:]]
    found = nearest(queries, database, 9)  # three classes may still tie, which scikit-learn settles by name
    votes = np.stack([(stored[found.indices] == name).sum(axis=1) for name in names])
    clear = np.sort(votes, axis=0)[-1] > np.sort(votes, axis=0)[-2]
    plain = KNeighborsClassifier(9).fit(database, stored).predict(queries)
    predicted = knn_predictions(found, stored)
    assert clear.sum() > 50
    np.testing.assert_array_equal(predicted[clear], plain[clear])
    confusion = knn_confusion(found, wanted, stored)
    np.testing.assert_array_equal(confusion.counts, confusion_matrix(wanted, predicted, labels=names))
    assert confusion.names == ("airport", "beach", "canal")
    report = retrieval_metrics(queries, wanted, database, stored, exclude_self=False)
    ten = nearest(queries, database, 10)
    assert np.trace(knn_confusion(ten, wanted, stored).counts) / 60 == pytest.approx(report.knn_accuracy)
    diagonal = np.trace(retrieval_confusion(ten, wanted, stored).counts) / 600
    assert diagonal == pytest.approx(report.precision_at[10])


def test_the_confusion_of_what_is_retrieved_by_hand() -> None:
    found = Neighbours(np.array([[0, 1], [2, 0]]), np.zeros((2, 2), np.float32))
    confusion = retrieval_confusion(found, ["a", "c"], ["a", "b", "c"])
    np.testing.assert_array_equal(confusion.counts, [[1, 1, 0], [0, 0, 0], [1, 0, 1]])
    np.testing.assert_allclose(confusion.shares, [[0.5, 0.5, 0.0], [0.0, 0.0, 0.0], [0.5, 0.0, 0.5]])
    assert confusion.worst() == [("a", "b", 0.5), ("c", "a", 0.5)]
    assert confusion.to_dict() == {"names": ["a", "b", "c"], "counts": [[1, 1, 0], [0, 0, 0], [1, 0, 1]]}


def test_labels_that_do_not_fit_are_refused() -> None:
    found = Neighbours(np.array([[0]]), np.zeros((1, 1), np.float32))
    with pytest.raises(EvaluationError, match="for 1 queries"):
        retrieval_confusion(found, ["a", "b"], ["a"])
