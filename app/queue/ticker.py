"""The embedded clock: a thread that ticks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

log = logging.getLogger(__name__)

TICK_SECONDS = 5.0


class Ticker:
    """Calls `tick` with the present time, at once and then every `seconds`, until it is closed."""

    def __init__(self, tick: Callable[[datetime], object], seconds: float = TICK_SECONDS) -> None:
        self._tick = tick
        self._seconds = seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="dyad-ticker")

    def start(self) -> None:
        """Begin to tick."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the tick in hand; one that was never started stays so."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            try:
                self._tick(datetime.now(UTC))
            except Exception:  # whatever it is, the next tick may do better, and without a clock nothing would ever run again
                log.exception("the schedules could not be ticked")
            self._stopping.wait(self._seconds)
