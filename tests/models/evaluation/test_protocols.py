from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.retrieval import retrieval_metrics
from models.evaluation.protocols import (
    HR_S2DML_FRACTIONS,
    RESIDUAL_DYAD_FRACTIONS,
    hr_s2dml,
    protocol_named,
    residual_dyad,
    unseen,
)

TRAIN, TEST = np.array([0, 2, 4, 6]), np.array([1, 3, 5])


def test_protocol_a_ranks_everything_but_the_query() -> None:
    chosen = residual_dyad().selection(TRAIN, TEST)
    np.testing.assert_array_equal(chosen.queries, TEST)
    assert sorted(chosen.database) == list(range(7))
    assert chosen.own is not None
    np.testing.assert_array_equal(chosen.database[chosen.own], TEST)


def test_protocol_a_can_reach_the_papers_own_precision_at_1000() -> None:
    """21 classes of 100 images: a perfect ranking finds 99 of the first 1 000, 9.9 %, as table III prints."""
    labels = np.repeat(np.arange(21), 100)
    chosen = residual_dyad().selection(np.flatnonzero(np.arange(2100) % 5), np.flatnonzero(np.arange(2100) % 5 == 0))
    vectors = np.eye(21, dtype=np.float32)[labels]
    report = retrieval_metrics(
        vectors[chosen.queries],
        labels[chosen.queries],
        vectors[chosen.database],
        labels[chosen.database],
        exclude_self=True,
        own=chosen.own,
    )
    assert (report.queries, report.database) == (420, 2099)
    assert report.precision_at[1000] == pytest.approx(0.099)
    assert report.anmrr == pytest.approx(0)


def test_protocol_b_ranks_the_labelled_images() -> None:
    chosen = hr_s2dml(0.05).selection(TRAIN, TEST)
    np.testing.assert_array_equal(chosen.queries, TEST)
    np.testing.assert_array_equal(chosen.database, TRAIN)
    assert chosen.own is None


def test_unseen_images_are_ranked_among_themselves() -> None:
    chosen = unseen().selection(TRAIN, TEST)
    np.testing.assert_array_equal(chosen.database, TEST)
    np.testing.assert_array_equal(chosen.own, [0, 1, 2])
    assert len(unseen().selection(np.array([], dtype=np.intp), TEST).queries) == 3


def test_every_protocol_is_found_by_its_name() -> None:
    for fraction in RESIDUAL_DYAD_FRACTIONS:
        assert protocol_named(f"A-{round(100 * fraction)}") == residual_dyad(fraction)
    for fraction in HR_S2DML_FRACTIONS:
        assert protocol_named(f"B-{round(100 * fraction)}") == hr_s2dml(fraction)
    assert protocol_named("unseen") == unseen()
    with pytest.raises(EvaluationError, match=r"unknown protocol 'C'; choose one of A-80, .*B-5, .*unseen"):
        protocol_named("C")


def test_what_would_not_be_a_fair_measure_is_refused() -> None:
    with pytest.raises(EvaluationError, match="both train and test"):
        residual_dyad().selection(TRAIN, np.array([1, 2]))
    with pytest.raises(EvaluationError, match="more are needed"):
        hr_s2dml().selection(np.array([], dtype=np.intp), TEST)
    with pytest.raises(EvaluationError, match="between 0 and 1"):
        residual_dyad(1)
