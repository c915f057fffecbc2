"""Progress callbacks."""

from __future__ import annotations

from collections.abc import Callable

ProgressCallback = Callable[[float, str], None]
"""Called with the percentage done, 0 to 100, and the current step, for people."""


def sub_progress(progress: ProgressCallback, start: float, end: float) -> ProgressCallback:
    """A callback for a part of the work: maps its 0 to 100 percent to `start` to `end` percent of the whole."""
    return lambda percent, message: progress(start + (end - start) * percent / 100, message)
