"""Errors of a head's training or evaluation; each message is one line for people."""

from __future__ import annotations


class HeadError(ValueError):
    """Invalid or insufficient input; the message tells what is wrong and what to do."""


class DeviceError(ValueError):
    """The device does not exist on this machine; the message lists the devices that do."""
