"""Limit of the time that a call waits for an unavailable backend: long in a job, short while a client waits for a response."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_most: ContextVar[float] = ContextVar("maximum seconds to wait for an unavailable backend", default=float("inf"))


def wait_limit(usual: float) -> float:
    """Maximum seconds to retry in the current context. usual: the value without a limit."""
    return min(usual, _most.get())


@contextmanager
def limited_wait(seconds: float) -> Iterator[None]:
    """Limit the wait of all calls within the block, including those in threads that it awaits."""
    token = _most.set(min(seconds, _most.get()))
    try:
        yield
    finally:
        _most.reset(token)
