"""Overlap of the neighbourhoods of a query and its candidates: k-reciprocal encoding (Zhong et al. 2017, arXiv 1701.08398)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

K1, K2 = 20, 6
"""Neighbours of a k-reciprocal set, and of the local query expansion; the values of the paper."""

_Matrix = NDArray[np.float32]


def neighbour_overlap(
    query: NDArray[np.floating[Any]], candidates: NDArray[np.floating[Any]], *, k1: int = K1, k2: int = K2
) -> NDArray[np.float64]:
    """How similar the neighbourhoods of a query and of each candidate are, among query and candidates only.

    Unlike the cosine it sees whether the neighbours of two tiles are the same tiles. It is 1 minus the Jaccard distance of the
    paper (eq. 10), with squared Euclidean distances. Equally near tiles are all neighbours.

    query: (D,), candidates: (M, D), L2-normalised. k1, k2: limited by M.

    Returns (M,) float64, 0..1.
    """
    rows = np.concatenate([query[np.newaxis], candidates]).astype(np.float32)
    similarities = rows @ rows.T
    np.fill_diagonal(similarities, 2.0)  # each tile is its own nearest neighbour
    ranked = -np.partition(-similarities, _places(len(rows), k1, k2), axis=1)
    inner, outer = (_reciprocal(similarities, ranked, min(k, len(rows) - 1)) for k in (round(k1 / 2), k1))
    # The set of a tile grows by the smaller sets of its members that share two thirds of their tiles with it.
    shared = outer @ inner.T
    grows = outer * (shared >= inner.sum(axis=1) * (2 / 3) - 1e-4)
    members = (outer + grows @ inner) > 0
    weights = np.where(members, np.exp(2 * np.minimum(similarities, 1.0) - 2), 0).astype(np.float32)
    weights /= weights.sum(axis=1, keepdims=True)
    near = (similarities >= ranked[:, min(k2, len(rows)) - 1, np.newaxis]).astype(np.float32)
    expanded = (near @ weights) / near.sum(axis=1, keepdims=True)
    common = np.minimum(expanded[0], expanded[1:]).sum(axis=1, dtype=np.float64)
    return np.asarray(np.clip(common / (2 - common), 0, 1), np.float64)  # each row sums to 1


def _places(count: int, k1: int, k2: int) -> list[int]:
    """Positions of the values in sorted rows that bound the neighbourhoods."""
    return sorted({min(place, count - 1) for place in (k2 - 1, round(k1 / 2), k1)})


def _reciprocal(similarities: _Matrix, ranked: _Matrix, k: int) -> _Matrix:
    """(N, N) of 0 and 1: whether two tiles are among the k nearest of each other; a tile always is of itself."""
    near = similarities >= ranked[:, k, np.newaxis]
    return (near & near.T).astype(np.float32)
