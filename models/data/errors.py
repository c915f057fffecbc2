"""Errors of training data."""

from __future__ import annotations


class DataError(ValueError):
    """Invalid training data; the message names the file or value that is wrong."""
