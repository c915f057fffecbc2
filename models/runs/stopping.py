"""Ctrl-C as a wish: a run ends after the update in hand, with a checkpoint."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ECHO_SECONDS = 1.0
"""One Ctrl-C may arrive twice: from the terminal, and from whoever started this program."""


class Interrupted(Exception):
    """A run was stopped by a signal, its checkpoint written. status: the exit status that says so."""

    def __init__(self, status: int) -> None:
        super().__init__("stopped")
        self.status = status


class StopWish:
    """Whether somebody asked to stop."""

    def __init__(self) -> None:
        self._signal: int | None = None
        self._heard = 0.0

    def __call__(self) -> bool:
        """Whether somebody did."""
        return self._signal is not None

    def obey(self, reason: str) -> None:
        """Raise `Interrupted` if that is the reason why a loop ended."""
        if reason == "interrupted":
            raise Interrupted(128 + (self._signal or signal.SIGINT))

    def hear(self, number: int, frame: FrameType | None) -> None:
        """A signal came; another one a while later ends the program at once."""
        if self._signal is None:
            self._signal, self._heard = number, time.monotonic()
            # not by print: the signal may have come in the middle of one
            os.write(sys.stderr.fileno(), b"\nstopping after this update; Ctrl-C again stops at once\n")
        elif time.monotonic() - self._heard > ECHO_SECONDS:
            raise KeyboardInterrupt


@contextmanager
def stop_on_signals() -> Iterator[StopWish]:
    """SIGINT and SIGTERM become a wish while this lasts."""
    wish = StopWish()
    before = {number: signal.signal(number, wish.hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
