"""The embedded clock of schedules: a thread that calls a function at intervals."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

log = logging.getLogger(__name__)

TICK_SECONDS = 5.0
STOP_SECONDS = 5.0


class Ticker:
    """Calls `tick` with the current time (aware UTC), at once and then every `seconds`, until closed."""

    def __init__(self, tick: Callable[[datetime], object], seconds: float = TICK_SECONDS) -> None:
        self._tick = tick
        self._seconds = seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="dyad-ticker", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the current tick, or after `STOP_SECONDS`; does nothing if the thread was not started."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def _loop(self) -> None:
        while not self._stopping.is_set():
            try:
                self._tick(datetime.now(UTC))
            except Exception:  # a bug in one tick must not end the thread, or no schedule would run again
                log.exception("a tick of the schedules failed")
            self._stopping.wait(self._seconds)
