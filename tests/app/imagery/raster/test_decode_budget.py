"""The memory budget of decoding."""

from __future__ import annotations

import threading

import pytest

from app.errors import Unavailable
from app.imagery.raster.decode_budget import DecodeBudget


def test_a_full_budget_refuses_after_a_short_wait() -> None:
    budget = DecodeBudget(100 << 20)
    with budget.hold(60 << 20, 0):
        with budget.hold(40 << 20, 0):
            pass
        with pytest.raises(Unavailable, match=r"takes 41 MiB.*DYAD_DECODE_MB, 100 MiB"), budget.hold(41 << 20, 0.05):
            pass
    with budget.hold(100 << 20, 0):
        pass


def test_more_than_the_budget_runs_alone() -> None:
    budget = DecodeBudget(100)
    with budget.hold(1000, 0), pytest.raises(Unavailable), budget.hold(1, 0.01):
        pass


def test_waiting_ends_when_memory_is_free() -> None:
    budget, entered, done = DecodeBudget(100), threading.Event(), threading.Event()

    def wait() -> None:
        entered.set()
        with budget.hold(80):
            done.set()

    with budget.hold(80):
        thread = threading.Thread(target=wait)
        thread.start()
        entered.wait(5)
        assert not done.wait(0.05)
    thread.join(5)
    assert done.is_set()
