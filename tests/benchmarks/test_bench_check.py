from __future__ import annotations

import time

from benchmarks.bench_check import ratio, worse_than


def test_what_is_a_fifth_worse_is_named() -> None:
    stored = {"search": 2.0, "ingest": 1.0, "gone": 1.0}
    assert worse_than(stored, {"search": 2.39, "ingest": 1.0, "new": 9.0}) == []
    assert worse_than(stored, {"search": 2.41, "ingest": 0.5}) == ["search"]


def test_a_ratio_is_of_the_fastest_runs() -> None:
    pauses = iter([0.05, 0.2, 0.04, 0.2] * 3)
    found = ratio(lambda: next(pauses), lambda: time.sleep(0.02), 2, 2)
    assert 0.5 < found <= 2.0, "0.04 s, which the run returns, by 0.02 s"
