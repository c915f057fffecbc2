"""The stop check of the current work, for code that is too deep to receive a `JobContext`: raster reads, model runs."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

POLL_SECONDS = 0.2
T = TypeVar("T")
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


def in_thread(work: Callable[[], T], check: Callable[[], None], seconds: float = math.inf) -> T:
    """Return the result of a call that cannot be interrupted. check: called while it runs; its exception abandons the call.

    An abandoned call continues in its daemon thread, and its result is dropped.

    Raises:
        TimeoutError: it takes more than `seconds`. Also the exceptions of `work` and `check`.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised in the calling thread
            errors.append(error)

    deadline = time.monotonic() + seconds
    thread = threading.Thread(target=run, name="dyad-abandonable", daemon=True)
    thread.start()
    thread.join(POLL_SECONDS)
    while thread.is_alive():
        check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"not done within {seconds:g} s")
        thread.join(POLL_SECONDS)
    if errors:
        raise errors[0]
    return results[0]
