"""The query direction of several examples (Rocchio 1971); docs/search.md explains the choice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidInput

MIN_NORM = 1e-6


def direction(positives: NDArray[np.float32], negatives: NDArray[np.float32]) -> NDArray[np.float32]:
    """`mean(positives) + (mean(positives) - mean(negatives))`, normalised; without negatives the mean of the positives.

    positives, negatives: (P, D) and (N, D) float32, L2-normalised; P >= 1, N >= 0.

    Returns (D,) float32, L2-normalised.

    Raises:
        InvalidInput: the examples cancel each other out.
    """
    total = _sum(positives, negatives)
    norm = float(np.linalg.norm(total))
    if norm < MIN_NORM:
        raise InvalidInput("the positives and the negatives cancel each other out; remove some of them")
    return np.asarray(total / norm, dtype=np.float32)


def strength(positives: NDArray[np.float32], negatives: NDArray[np.float32]) -> float:
    """The length of the direction before it is normalised.

    Times the similarity to the direction, it is the mean cosine to the positives plus its lead over the mean cosine to the
    negatives; without negatives the mean cosine to the positives.
    """
    return float(np.linalg.norm(_sum(positives, negatives)))


def _sum(positives: NDArray[np.float32], negatives: NDArray[np.float32]) -> NDArray[np.float32]:
    wanted = positives.mean(axis=0)
    return np.asarray(wanted + (wanted - negatives.mean(axis=0)) if len(negatives) else wanted)
