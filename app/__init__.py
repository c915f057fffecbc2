"""Dyad's service: finds the satellite tiles that look like this one. Never imports torch, `models` or `worker`."""

__version__ = "0.1.0"
