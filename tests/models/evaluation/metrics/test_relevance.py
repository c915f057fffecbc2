"""Items of one label each, and of several."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.ranking import nearest
from models.evaluation.metrics.relevance import LabelSets, relevance
from models.evaluation.metrics.rerank import two_stage
from models.evaluation.metrics.retrieval import average_precision, retrieval_metrics

NAMES = ("field", "river", "road", "wood")


def _vectors(count: int, seed: int = 0) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).normal(size=(count, 6))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def _sets(count: int, seed: int = 0) -> LabelSets:
    return LabelSets(NAMES, np.random.default_rng([seed, 1]).random((count, len(NAMES))) < 0.35)


def test_sets_of_one_label_are_measured_as_that_label() -> None:
    vectors, numbers = _vectors(60), np.random.default_rng(3).integers(0, len(NAMES), 60)
    sets = LabelSets(NAMES, np.eye(len(NAMES), dtype=bool)[numbers])
    names = np.array(NAMES)[numbers]
    assert retrieval_metrics(vectors, sets, vectors, sets, exclude_self=True) == retrieval_metrics(
        vectors, names, vectors, names, exclude_self=True
    )


def test_what_shares_a_label_is_relevant() -> None:
    vectors, sets = _vectors(40), _sets(40)
    found = retrieval_metrics(vectors, sets, vectors, sets, exclude_self=True, ks=(5,))
    precisions: list[float] = []
    by_name: dict[str, list[float]] = {name: [] for name in NAMES}
    for query in range(40):
        order = [int(i) for i in np.argsort(-(vectors @ vectors[query]), kind="stable") if i != query]
        ranks = [place for place, item in enumerate(order, 1) if (sets.flags[item] & sets.flags[query]).any()]
        if ranks:
            precisions.append(average_precision(np.array(ranks)))
            for name, is_of in zip(NAMES, sets.flags[query], strict=True):
                by_name[name] += [precisions[-1]] * int(is_of)
    assert found.mean_average_precision == pytest.approx(np.mean(precisions))
    assert found.without_match == 40 - len(precisions) > 0
    assert found.class_average_precision == pytest.approx({name: np.mean(each) for name, each in by_name.items()})


def test_reranking_by_shared_labels() -> None:
    vectors, sets = _vectors(40), _sets(40)
    own = np.arange(40)
    shortlist = nearest(vectors, vectors, 10, own=own)
    shares: NDArray[np.bool_] = np.any(sets.flags[shortlist.indices] & sets.flags[:, np.newaxis], axis=2)
    report = two_stage(vectors, sets, vectors, sets, shortlist, np.where(shares, 5.0, -5.0), weights=(1.0,), own=own)
    assert report.gain(1.0) > 0.05
    related = relevance(sets, sets, 40, 40, own)
    assert all(np.array_equal(related.is_relevant(query, shortlist.indices[query]), shares[query]) for query in range(40))


def test_votes_go_to_the_label_of_most_items_then_to_the_nearest() -> None:
    sets = LabelSets(("a", "b", "c"), np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1], [0, 0, 0]], dtype=bool))
    asked = LabelSets(sets.names, np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 1, 1]], dtype=bool))
    related = relevance(asked, sets, 4, 4, None)
    assert related.votes_right(0, np.array([[0, 1, 2]])) == 1  # b and c twice each, b is nearer
    assert related.votes_right(2, np.array([[2, 1, 0]])) == 1  # c and b twice each, c is nearer
    assert related.votes_right(1, np.array([[2, 3]])) == 0
    assert related.votes_right(3, np.array([[3]])) == 0  # nothing votes for nothing


def test_sets_that_do_not_fit_are_refused() -> None:
    with pytest.raises(EvaluationError, match="both have sets"):
        relevance(_sets(3), ["a"] * 4, 3, 4, None)
    with pytest.raises(EvaluationError, match="label sets of shape"):
        relevance(_sets(3), _sets(5), 3, 4, None)
    with pytest.raises(EvaluationError, match="label sets of shape"):
        relevance(_sets(3), LabelSets(("x",) * 4, _sets(4).flags), 3, 4, None)
