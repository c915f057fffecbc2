"""How far a piece of work is, told upwards."""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[float, str], None]
"""Hears percent of the work, 0 to 100, and what is being done, for people."""


def part_of(tell: Tell, start: float, end: float) -> Tell:
    """For a part of the work, whose own 0 to 100 lie between `start` and `end` of the whole."""
    return lambda percent, message: tell(start + (end - start) * percent / 100, message)
