"""The thread that ticks."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from app.queue.ticker import Ticker

SECONDS = 60


def test_it_ticks_at_once_and_again_even_after_a_bug() -> None:
    times: list[datetime] = []
    enough = threading.Event()

    def tick(now: datetime) -> None:
        times.append(now)
        if len(times) == 3:
            enough.set()
        raise RuntimeError("a bug")

    ticker = Ticker(tick, seconds=0.001)
    ticker.start()
    assert enough.wait(SECONDS)
    ticker.close()
    count = len(times)
    assert times == sorted(times)
    assert times[0].tzinfo is UTC
    assert len(times) == count


def test_closing_does_not_wait_for_the_next_tick() -> None:
    ticked = threading.Event()
    ticker = Ticker(lambda _: ticked.set(), seconds=3600)
    ticker.start()
    assert ticked.wait(SECONDS)
    ticker.close()


def test_one_that_was_never_started_can_be_closed() -> None:
    Ticker(lambda _: None).close()
