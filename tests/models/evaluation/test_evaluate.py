from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from models.evaluation.errors import EvaluationError
from models.evaluation.evaluate import Evaluation, evaluate, examples
from models.evaluation.protocols import hr_s2dml, residual_dyad, unseen

CLASSES = ("airport", "beach", "canal", "desert")
NAMES = np.array(CLASSES)[np.arange(160) % 4]
TRAIN, TEST = np.arange(120), np.arange(120, 160)


def vectors() -> NDArray[np.float32]:
    rows = np.eye(4, 8)[np.arange(160) % 4] + np.random.default_rng(0).normal(0, 0.35, (160, 8))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def measured(protocol: str = "B") -> Evaluation:
    return evaluate(vectors(), NAMES, hr_s2dml(0.2) if protocol == "B" else residual_dyad(), TRAIN, TEST, ks=(5,))


def test_protocols_rank_what_they_say() -> None:
    b, a = measured("B"), measured("A")
    alone = evaluate(vectors(), NAMES, unseen(), TRAIN, TEST)
    assert (b.retrieval.queries, b.retrieval.database) == (40, 120)
    assert (a.retrieval.queries, a.retrieval.database) == (40, 159)
    assert (alone.retrieval.queries, alone.retrieval.database) == (40, 39)
    assert b.clustering == a.clustering  # of the test images in each


def test_neighbours_never_are_the_query_itself() -> None:
    a = measured("A")
    assert not np.any(a.selection.database[a.neighbours.indices] == a.selection.queries[:, None])


def test_the_parts_agree_with_each_other() -> None:
    found = measured()
    assert np.trace(found.knn.counts) / 40 == pytest.approx(found.retrieval.knn_accuracy)
    assert found.retrieved.counts.sum() == 400
    assert found.knn.names == CLASSES
    numbers = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert numbers["protocol"]["name"] == "B-20"
    assert numbers["retrieval"]["anmrr"] == found.retrieval.anmrr


def test_examples_go_from_the_worst_class_to_the_best() -> None:
    found = measured()
    rows = examples(found, NAMES, count=3)
    precision = {name: float(found.retrieved.shares[i, i]) for i, name in enumerate(CLASSES)}
    assert len(rows) == 3
    assert precision[rows[0].label] == min(precision.values())
    assert precision[rows[-1].label] == max(precision.values())
    for row in rows:
        assert row.query in TEST
        assert NAMES[row.query] == row.label
        assert len(row.found) == 10
        assert NAMES[list(row.found)].tolist() == list(row.found_labels)


def test_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(EvaluationError, match="labels of shape"):
        evaluate(vectors(), NAMES[:5], unseen(), TRAIN, TEST)
