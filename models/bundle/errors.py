"""Errors of bundles.

BundleError           a bundle cannot be written, or does not match its card
├── ParityError       a graph does not compute what the network computes
└── AccuracyError     the int8 graph retrieves too much worse than the float32 graph
"""

from __future__ import annotations


class BundleError(ValueError):
    """A bundle cannot be written or read; the message names the file or the field, and what to do."""


class ParityError(BundleError):
    """ONNX Runtime and PyTorch disagree on an exported graph."""


class AccuracyError(BundleError):
    """Quantisation costs more than was allowed."""
