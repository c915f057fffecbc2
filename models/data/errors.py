"""What can be wrong with training data."""

from __future__ import annotations


class DataError(ValueError):
    """The training data cannot be used as asked; the message names the file or the number that is wrong."""
