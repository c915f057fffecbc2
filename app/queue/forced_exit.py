"""The last resort at shutdown: ends the process although a thread does not stop."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

EXIT_SECONDS = 28.0
"""Seconds from the signal to the forced exit; below the 30 s that container platforms commonly wait before SIGKILL."""


def exit_within(seconds: float, before: Callable[[], None]) -> None:
    """Call `before`, and end the process after `seconds` with status 1 if it still runs. Returns at once.

    Safe at any moment: what a job has reported is flushed, and a job that was running continues at the next start, as after
    `kill -9`.
    """
    threading.Thread(target=_exit_later, args=(seconds, before), name="dyad-forced-exit", daemon=True).start()


def _exit_later(seconds: float, before: Callable[[], None]) -> None:
    before()
    time.sleep(seconds)
    log.error("the process did not end within %.0f s: it exits now, and its jobs continue at the next start", seconds)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(1)
