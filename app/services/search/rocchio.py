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
    wanted = positives.mean(axis=0)
    if len(negatives):
        wanted = wanted + (wanted - negatives.mean(axis=0))
    norm = float(np.linalg.norm(wanted))
    if norm < MIN_NORM:
        raise InvalidInput("the positives and the negatives cancel each other out; remove some of them")
    return np.asarray(wanted / norm, dtype=np.float32)
