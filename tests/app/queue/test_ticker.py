"""The thread that ticks."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import pytest

from app.queue.ticker import Ticker

SECONDS = 180


def tickers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "dyad-ticker"}


@pytest.fixture
def others() -> set[threading.Thread]:
    """Tickers that run already, of services of other tests."""
    return tickers()


def test_it_ticks_at_once_and_again_with_the_current_time() -> None:
    times: list[datetime] = []
    enough = threading.Event()

    def tick(now: datetime) -> None:
        times.append(now)
        if len(times) == 3:
            enough.set()

    before = datetime.now(UTC)
    ticker = Ticker(tick, seconds=0.001)
    ticker.start()
    assert enough.wait(SECONDS)
    ticker.close()
    assert times == sorted(times)
    assert before <= times[0] <= times[-1] <= datetime.now(UTC)
    assert times[0].tzinfo is UTC


def test_an_error_in_a_tick_is_logged_and_does_not_end_the_thread(
    caplog: pytest.LogCaptureFixture, others: set[threading.Thread]
) -> None:
    ticks = 0
    enough = threading.Event()

    def tick(_: datetime) -> None:
        nonlocal ticks
        ticks += 1
        if ticks == 3:
            enough.set()
        raise RuntimeError("a bug")

    ticker = Ticker(tick, seconds=0.001)
    ticker.start()
    assert enough.wait(SECONDS)
    assert len(tickers() - others) == 1
    ticker.close()
    assert caplog.text.count("RuntimeError: a bug") == ticks >= 3


def test_nothing_ticks_after_closing(others: set[threading.Thread]) -> None:
    times: list[datetime] = []
    ticked = threading.Event()

    def tick(now: datetime) -> None:
        times.append(now)
        ticked.set()

    ticker = Ticker(tick, seconds=0.001)
    ticker.start()
    assert ticked.wait(SECONDS)
    ticker.close()
    count = len(times)
    assert not tickers() - others
    time.sleep(0.05)
    assert len(times) == count


def test_closing_does_not_wait_for_the_next_tick(others: set[threading.Thread]) -> None:
    ticked = threading.Event()
    ticker = Ticker(lambda _: ticked.set(), seconds=3600)
    ticker.start()
    assert ticked.wait(SECONDS)
    start = time.monotonic()
    ticker.close()
    assert time.monotonic() - start < SECONDS
    assert not tickers() - others


def test_a_ticker_that_was_not_started_can_be_closed(others: set[threading.Thread]) -> None:
    ticks: list[datetime] = []
    ticker = Ticker(ticks.append)
    ticker.close()
    assert not tickers() - others
    assert ticks == []
