"""What the gate decides from its figures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.services.reindex.judging.comparison import Neighbours
from app.services.reindex.judging.evidence import Change, QueryChanges, estimate_change
from app.services.reindex.judging.verdict import Figures, Quality, decide

QUALITY = Quality(False, 0.5, 0.505, 0.005, None, 1.0, Change(0.005, -0.004, 0.014), 0.002)
TAUGHT = Quality(True, 0.5, 0.6, 0.1, -0.002, 0.5, Change(0.049, 0.02, 0.07), 0.002)
FIGURES = Figures(
    tiles=100,
    queries=50,
    places=40,
    classes=3,
    margin=0.01,
    neighbours=Neighbours(0.5, 0.7),
    rest=Neighbours(0.5, 0.7),
    latency_ms={"old": 4.0, "new": 5.0},
    quality=QUALITY,
)


@pytest.mark.parametrize(
    ("changes", "decision", "reason"),
    [
        ({}, "passed", "0.5000 before, 0.5050 now; estimated change over the collection +0.0050 (-0.0040 to +0.0140)"),
        ({"margin": 0.003}, "undecided", "a loss above the margin of 0.003 is possible"),
        ({"latency_ms": {"old": 4.0, "new": 12.9}}, "passed", "before"),
        ({"latency_ms": {"old": 4.0, "new": 13.1}}, "refused", "13.1 ms on the new index"),
        ({"latency_ms": None}, "passed", "before"),
        ({"quality": None, "queries": 0, "places": 0, "classes": 0}, "undecided", "could not be compared: no labelled tile"),
        ({"quality": None, "queries": 4}, "undecided", "only 4 labelled tiles"),
        ({"quality": None, "places": 3}, "undecided", "3 separate places; 8 are needed"),
        ({"quality": None, "classes": 1}, "undecided", "two labels are needed"),
        ({"quality": None, "queries": 0, "neighbours": Neighbours(0.99, 1.0)}, "passed", "the same results (99 %"),
        ({"neighbours": Neighbours(0.99, 1.0), "is_taught": True}, "refused", "learned nothing new"),
        ({"quality": None, "queries": 0, "neighbours": None}, "passed", "not two tiles"),
        ({"quality": replace(QUALITY, change=Change(-0.02, -0.03, -0.01))}, "refused", "exceeds the margin of 0.01"),
        ({"quality": replace(QUALITY, chance=0.5)}, "passed", "before"),
        ({"quality": TAUGHT}, "passed", "0.6000 now"),
        ({"quality": replace(TAUGHT, change=Change(0.049, -0.001, 0.1))}, "undecided", "a gain is not certain"),
        ({"quality": replace(TAUGHT, chance=0.006)}, "undecided", "hardly better than random labels"),
        ({"quality": replace(TAUGHT, unseen=-0.012)}, "undecided", "-0.0060 by tiles of other labels"),
        ({"quality": replace(TAUGHT, unseen=-0.012, share=0.9)}, "passed", "0.6000 now"),
        ({"quality": TAUGHT, "rest": Neighbours(0.1, 0.2)}, "refused", "results for unlabelled tiles change too much"),
        ({"quality": TAUGHT, "rest": None}, "passed", "0.6000 now"),
    ],
)
def test_the_decision(changes: dict[str, Any], decision: str, reason: str) -> None:
    found = decide(replace(FIGURES, **changes))
    assert found[0] == decision
    assert reason in found[1]


def test_the_interval_is_over_places_not_over_queries() -> None:
    random = np.random.default_rng(0)
    by_place = random.normal(0.02, 0.1, size=30)
    alone = QueryChanges(by_place, np.arange(30))
    repeated = QueryChanges(np.repeat(by_place, 20), np.repeat(np.arange(30), 20))
    one, many = (estimate_change(changes, changes, 1.0) for changes in (alone, repeated))
    assert one.mean == pytest.approx(many.mean) == pytest.approx(by_place.mean())
    assert (one.low, one.high) == pytest.approx((many.low, many.high))
    error = 1.645 * by_place.std() / np.sqrt(30)
    assert (one.mean - one.low, one.high - one.mean) == pytest.approx((error, error), rel=0.1)


def test_the_change_weighs_learned_and_other_labels_by_their_share() -> None:
    known = QueryChanges(np.array([0.2, 0.4, np.nan]), np.arange(3))
    assert estimate_change(known, QueryChanges(np.full(3, -0.1), np.arange(3)), 0.5).mean == pytest.approx(0.1)
    assert estimate_change(known, -0.1, 0.25).mean == pytest.approx(0.0)
