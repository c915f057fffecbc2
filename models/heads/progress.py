"""How far a piece of work is, told upwards."""

from __future__ import annotations

from collections.abc import Callable

ProgressCallback = Callable[[float, str], None]
"""Hears percent of the work, 0 to 100, and what is being done, for people."""


def sub_progress(progress: ProgressCallback, start: float, end: float) -> ProgressCallback:
    """For a part of the work, whose own 0 to 100 lie between `start` and `end` of the whole."""
    return lambda percent, message: progress(start + (end - start) * percent / 100, message)
