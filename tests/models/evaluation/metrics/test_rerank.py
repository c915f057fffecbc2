from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.ranking import Neighbours, nearest
from models.evaluation.metrics.rerank import (
    Quality,
    RerankReport,
    Weights,
    fuse,
    safe_weights,
    score_shortlist,
    shortlist_overlaps,
    two_stage,
)
from models.evaluation.metrics.retrieval import average_precision, nmrr, retrieval_metrics

DEPTH = 12


def scene(seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.float32], NDArray[np.intp], Neighbours]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, 100)
    vectors = np.eye(4, 8)[labels] + random.normal(0, 0.5, (100, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    queries, database = vectors[:30], vectors[30:]
    return queries, labels[:30], database, labels[30:], nearest(queries, database, DEPTH)


def oracle(wanted: NDArray[np.intp], stored: NDArray[np.intp], shortlist: Neighbours) -> NDArray[np.float32]:
    return score_shortlist(shortlist, lambda query, item: np.where(wanted[query] == stored[item], 4.0, -4.0), batch=7)


def test_measures_agree_with_rankings_that_are_written_out() -> None:
    queries, wanted, database, stored, shortlist = scene()
    scores = np.random.default_rng(1).normal(0, 2, shortlist.indices.shape)
    report = two_stage(queries, wanted, database, stored, shortlist, scores, weights=(0.3, 1), chunk=8)
    for weight in (0.3, 1):
        precisions, ranks_lost = [], []
        for query in range(len(queries)):
            order = list(np.argsort(-(database @ queries[query]), kind="stable"))
            fused = (database @ queries[query])[order[:DEPTH]] + weight * scores[query]
            order[:DEPTH] = [order[i] for i in np.argsort(-fused, kind="stable")]
            ranks = np.array([place for place, item in enumerate(order, 1) if stored[item] == wanted[query]])
            precisions.append(average_precision(ranks))
            ranks_lost.append(nmrr(ranks))
        assert report.at(weight).mean_average_precision == pytest.approx(np.mean(precisions))
        assert report.at(weight).anmrr == pytest.approx(np.mean(ranks_lost))


def test_before_is_the_embedding_alone_and_weight_0_changes_nothing() -> None:
    queries, wanted, database, stored, shortlist = scene()
    report = two_stage(queries, wanted, database, stored, shortlist, oracle(wanted, stored, shortlist), weights=(0.0, 1.0))
    alone = retrieval_metrics(queries, wanted, database, stored, exclude_self=False, ks=(10,))
    assert report.before.mean_average_precision == pytest.approx(alone.mean_average_precision)
    assert report.before.anmrr == pytest.approx(alone.anmrr)
    assert report.before.precision_at_10 == pytest.approx(alone.precision_at[10])
    assert report.after[Weights()] == report.before
    assert report.before.precision_at_50 == pytest.approx(
        retrieval_metrics(queries, wanted, database, stored, exclude_self=False, ks=(50,)).precision_at[50]
    )


def test_a_perfect_matcher_gains_and_a_wrong_one_gets_no_weight() -> None:
    queries, wanted, database, stored, shortlist = scene()
    truth = oracle(wanted, stored, shortlist)
    right = two_stage(queries, wanted, database, stored, shortlist, truth)
    wrong = two_stage(queries, wanted, database, stored, shortlist, -truth)
    assert right.gain(1.0) > 0.01
    assert right.at(1.0).anmrr < right.before.anmrr
    assert right.first_page_gain(1.0) > 0.05
    assert safe_weights([right]) > Weights()
    assert safe_weights([wrong]) == Weights()
    assert safe_weights([right, wrong]) == Weights()  # no weight that loses on one of them


def test_the_safe_weight_gains_on_the_mean_and_loses_nowhere() -> None:
    def report(*gains: float) -> RerankReport:
        tried = (Weights(), Weights(0.3), Weights(0.3, 0.2), Weights(1.0))
        after = {
            weights: Quality(0.5, 0.2, 0.6 + gain, 0.5 + gain, 0.4 + gain) for weights, gain in zip(tried, gains, strict=True)
        }
        return RerankReport(10, 100, Quality(0.5, 0.2, 0.6, 0.5, 0.4), after)

    assert safe_weights([report(0, 0.01, 0.03, 0.02)]) == Weights(0.3, 0.2)
    assert safe_weights([report(0, 0.01, 0.03, 0.02), report(0, 0.01, -0.001, -0.03)]) == Weights(0.3)
    both = [report(0, 0.01, 0.03, 0.02), report(0, 0.01, -0.001, -0.03)]
    assert safe_weights(both, tolerance=0.002) == Weights(0.3, 0.2)
    with pytest.raises(EvaluationError, match="no weights in common"):
        safe_weights([])


def test_a_ranking_without_the_query_itself() -> None:
    queries, wanted, *_ = scene()
    own = np.arange(len(queries))
    shortlist = nearest(queries, queries, 5, own=own)
    report = two_stage(queries, wanted, queries, wanted, shortlist, np.zeros((30, 5)), own=own)
    alone = retrieval_metrics(queries, wanted, queries, wanted, exclude_self=True)
    assert report.before.mean_average_precision == pytest.approx(alone.mean_average_precision)


def test_fused_scores_and_the_report_for_json() -> None:
    np.testing.assert_allclose(fuse(np.array([0.5, -1.0]), np.array([2.0, -4.0]), Weights(0.25)), [1.0, -2.0])
    fused = fuse(np.array([0.5, -1.0]), None, Weights(0.25, 2.0), np.array([0.1, 0.2]))
    np.testing.assert_allclose(fused, [0.7, -0.6])
    quality = Quality(0.6, 0.1, 0.9, 0.8, 0.7)
    report = RerankReport(3, 100, Quality(0.5, 0.2, 0.9, 0.8, 0.7), {Weights(0.5): quality, Weights(0.5, 0.1): quality})
    after = json.loads(json.dumps(report.to_dict()))["after"]
    assert after["0.5"]["mean_average_precision"] == after["0.5 + 0.1"]["mean_average_precision"] == 0.6


def test_overlaps_re_rank_without_a_matcher() -> None:
    queries, wanted, database, stored, _ = scene()
    shortlist = nearest(queries, database, 60)
    overlaps = shortlist_overlaps(queries, database, shortlist)
    assert overlaps.shape == shortlist.indices.shape
    tried = [Weights(0, neighbours) for neighbours in (0.0, 1.0)]
    report = two_stage(queries, wanted, database, stored, shortlist, None, overlaps=overlaps, weights=tried)
    assert report.after[Weights()] == report.before
    assert report.first_page_gain(0, 1.0) > 0.01


def test_what_does_not_fit_is_refused() -> None:
    queries, wanted, database, stored, shortlist = scene()
    with pytest.raises(EvaluationError, match="do not fit"):
        two_stage(queries, wanted, database, stored, shortlist, np.zeros((30, 3)))
    with pytest.raises(EvaluationError, match="at least 0"):
        two_stage(queries, wanted, database, stored, shortlist, np.zeros((30, DEPTH)), weights=(-1,))
    other = Neighbours(shortlist.indices[::-1], shortlist.similarities)
    with pytest.raises(EvaluationError, match="not of these queries"):
        two_stage(queries, wanted, database, stored, other, np.zeros((30, DEPTH)))
    with pytest.raises(EvaluationError, match="the matcher gave scores"):
        score_shortlist(shortlist, lambda query, item: np.full(len(query), np.nan))
