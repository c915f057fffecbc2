"""Work in threads: the order, how far it runs ahead, errors in their turn."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from app.imagery.tiling.in_order import run_in_order


def test_results_keep_the_order_though_later_calls_end_first() -> None:
    second_is_done = threading.Event()

    def first() -> str:
        assert second_is_done.wait(60)
        return "first"

    def second() -> str:
        second_is_done.set()
        return "second"

    assert list(run_in_order([first, second], 2, 2)) == ["first", "second"]


@pytest.mark.parametrize(("threads", "ahead", "started"), [(1, 8, 1), (4, 0, 1), (2, 3, 4)])
def test_it_runs_no_further_ahead_than_it_may(threads: int, ahead: int, started: int) -> None:
    taken: list[int] = []

    def work() -> Iterator[Callable[[], int]]:
        for number in range(10):
            taken.append(number)
            yield partial(int, number)

    results = run_in_order(work(), threads, ahead)
    assert next(results) == 0
    assert len(taken) == started
    assert list(results) == list(range(1, 10))


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_a_call_comes_after_the_results_before_it(threads: int) -> None:
    results = run_in_order([lambda: 1, lambda: 2, lambda: 1 // 0, lambda: 4], threads, 8)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(results) == []


def test_a_consumer_that_stops_leaves_no_thread() -> None:
    results = run_in_order((partial(int, number) for number in range(100)), 3, 6)
    next(results)
    results.close()  # type: ignore[attr-defined]  # of the generator
    assert not any(thread.name.startswith("dyad-cut") for thread in threading.enumerate())
