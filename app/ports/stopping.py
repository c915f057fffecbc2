"""The stop check of the current work, for code that is too deep to receive a `JobContext`: raster reads, model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[Callable[[], None] | None] = ContextVar("dyad_stop_check", default=None)


@contextmanager
def stoppable(check: Callable[[], None]) -> Iterator[None]:
    """Set the stop check within the block. check: raises if the work has to stop; cheap, and called by several threads."""
    token = _current.set(check)
    try:
        yield
    finally:
        _current.reset(token)


def stop_check() -> Callable[[], None] | None:
    """The stop check of the current work; None outside of jobs. New threads do not inherit it (see `copy_context`)."""
    return _current.get()


def check_stop() -> None:
    """Raise if the current work has to stop; does nothing outside of jobs.

    Raises:
        Cancelled, Interrupted: see `JobContext.check`.
    """
    check = _current.get()
    if check is not None:
        check()
