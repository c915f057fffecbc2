"""What can be wrong with an evaluation."""

from __future__ import annotations


class EvaluationError(ValueError):
    """The embeddings, labels or settings cannot be measured as asked; one line meant for a person."""
