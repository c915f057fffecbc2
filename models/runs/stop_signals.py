"""SIGINT and SIGTERM end a training run after the current update, with a checkpoint."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ECHO_SECONDS = 1.0
"""One Ctrl-C may arrive twice: from the terminal, and from the parent process."""


class Interrupted(Exception):
    """A signal stopped a run, whose checkpoint is written. status: the exit status for this signal."""

    def __init__(self, status: int) -> None:
        super().__init__("stopped")
        self.status = status


class StopRequest:
    """Whether a signal has requested that the run stops."""

    def __init__(self) -> None:
        self._signal: int | None = None
        self._time = 0.0

    def __call__(self) -> bool:
        """Whether a signal has arrived."""
        return self._signal is not None

    def raise_if_cause(self, reason: str) -> None:
        """Raise `Interrupted` if `reason`, why a loop ended, is "interrupted"."""
        if reason == "interrupted":
            raise Interrupted(128 + (self._signal or signal.SIGINT))

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The signal handler; a second signal more than `ECHO_SECONDS` later ends the program at once."""
        if self._signal is None:
            self._signal, self._time = number, time.monotonic()
            # not by print: the signal may have interrupted one
            os.write(sys.stderr.fileno(), b"\nstopping after this update; press Ctrl-C again to stop at once\n")
        elif time.monotonic() - self._time > ECHO_SECONDS:
            raise KeyboardInterrupt


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Handle SIGINT and SIGTERM by a `StopRequest` within the context."""
    stop = StopRequest()
    before = {number: signal.signal(number, stop.handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
