"""How long a call waits for a part that is away: a job for a minute, somebody who waits for an answer hardly at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_most: ContextVar[float] = ContextVar("most seconds to wait for a part that is away", default=float("inf"))


def wait_limit(usual: float) -> float:
    """Seconds to go on trying, here and now. usual: where nobody is in a hurry."""
    return min(usual, _most.get())


@contextmanager
def limited_wait(seconds: float) -> Iterator[None]:
    """Wait no longer than this for whatever is called within, in the threads that it awaits too."""
    token = _most.set(min(seconds, _most.get()))
    try:
        yield
    finally:
        _most.reset(token)
