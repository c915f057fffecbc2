"""What can be wrong with a head's training or an evaluation, in one line for people."""

from __future__ import annotations


class HeadError(ValueError):
    """The input does not do; the message says what is missing or does not fit, and what to do."""


class DeviceError(ValueError):
    """There is no such device here; the message says what there is."""
