"""Average precision of a ranking."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def average_precision(scores: NDArray[np.float32], relevant: NDArray[np.bool_]) -> float:
    """Mean over the relevant results of the share of relevant results among those with the same or a higher score; 0..1.

    scores: (N,) float32, higher is better; equal scores share a rank. relevant: (N,) bool, at least one True.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(relevant[order])
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # the last place of each run of equal scores
    precision = hits[ends] / (ends + 1)
    gained = np.diff(hits[ends], prepend=0)
    return float((precision * gained).sum() / hits[-1])
