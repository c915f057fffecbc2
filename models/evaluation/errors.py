"""Errors of an evaluation."""

from __future__ import annotations


class EvaluationError(ValueError):
    """Invalid embeddings, labels or settings; the message is one line for people."""
