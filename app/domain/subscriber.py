"""The addresses that a client wants to be called for a job (`subscriber` in OGC API Processes)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

SUCCESS, IN_PROGRESS, FAILED = "successUri", "inProgressUri", "failedUri"
ENDS = {"successful": SUCCESS, "failed": FAILED}
"""The address to call at the end of a job, by its status. Who dismisses a job needs no call."""


class Subscription(NamedTuple):
    """addresses: URLs by the names above. states: for each, `waiting`, or why it is not called."""

    addresses: Mapping[str, str]
    states: Mapping[str, str]


_current: ContextVar[Subscription] = ContextVar("dyad_subscription")
_NONE = Subscription({}, {})


@contextmanager
def subscribed(subscription: Subscription) -> Iterator[None]:
    """Jobs that are created within the block have these subscribers."""
    token = _current.set(subscription)
    try:
        yield
    finally:
        _current.reset(token)


def addresses() -> dict[str, str]:
    """Addresses for a job that is created now."""
    return dict(_current.get(_NONE).addresses)


def states() -> dict[str, str]:
    """States of these addresses."""
    return dict(_current.get(_NONE).states)
