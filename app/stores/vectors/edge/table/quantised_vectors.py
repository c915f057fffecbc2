"""Exact nearest neighbours in a quarter of the memory bandwidth: int8 similarities of all rows, float32 ones of the best.

A row x is stored as s c with int8 c, and e bounds |x - s c|. For unit vectors the int8 similarity differs from the exact one by
at most b = e + d (1 + e), where d is the same distance for the query. So every row of the k best has an int8 similarity of at
least that of the k-th best minus 2 b; these rows are compared in float32.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import simsimd
from numpy.typing import NDArray

from app.stores.vectors.edge.table.growing import Growing, GrowingFile

_LEVELS = 127
_ROUNDING = 1e-5
"""More than float32 sums of unit vectors can differ by."""
_FEW = 8
"""If fewer than one of so many rows qualify, these are copied and compared alone."""
_PART = 16 << 20
_THREADS = os.cpu_count() or 1
_POOL = ThreadPoolExecutor(_THREADS, "dyad-compare")


class QuantisedVectors:
    """(N, D) unit vectors: `codes` int8, `scales` float32, and `exact` float32 in a mapped file."""

    def __init__(self, file: Path, dimension: int, count: int = 0) -> None:
        self.dimension = dimension
        self.codes = Growing(np.int8, (dimension,))
        self.scales = Growing(np.float32)
        self.exact = GrowingFile(file, dimension, count)
        self.error = 0.0

    def resize(self, count: int) -> None:
        """Make `count` rows; new ones must be set."""
        for part in (self.codes, self.scales, self.exact):
            part.resize(count)

    def set(self, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Set rows to vectors, (R, D) float32, which are normalised here."""
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = (vectors / np.where(norms > 0, norms, 1)).astype(np.float32)
        codes, scales, errors = _quantised(unit)
        self.codes.rows[rows], self.scales.rows[rows], self.exact.rows[rows] = codes, scales, unit
        self.error = max(self.error, float(errors.max(initial=0.0)))

    def nearest(
        self, query: NDArray[np.float32], limit: int, chosen: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows and cosine similarities of the `limit` nearest of the rows `chosen` (None: all), best first.

        query: (D,) float32.
        """
        norm = np.linalg.norm(query)
        unit = (query / (norm if norm > 0 else 1)).astype(np.float32)
        count = len(self.scales.rows) if chosen is None else len(chosen)
        candidates = np.arange(count)
        if limit < count:
            candidates = self._candidates(unit, limit, chosen)
        rows = candidates if chosen is None else chosen[candidates]
        scores = self.exact.rows[rows] @ unit
        best = np.argsort(-scores, kind="stable")[:limit]
        return rows[best], scores[best]

    def _candidates(self, unit: NDArray[np.float32], limit: int, chosen: NDArray[np.int64] | None) -> NDArray[np.int64]:
        codes, scale, error = (part[0] for part in _quantised(unit[None]))
        if chosen is None:
            found = _dots(codes, self.codes.rows) * (self.scales.rows * scale)
        elif len(chosen) * _FEW < len(self.scales.rows):
            found = _dots(codes, self.codes.rows[chosen]) * (self.scales.rows[chosen] * scale)
        else:
            found = _dots(codes, self.codes.rows)[chosen] * (self.scales.rows[chosen] * scale)
        place = len(found) - limit
        least = np.partition(found, place)[place]
        bound = self.error + float(error) * (1 + self.error) + _ROUNDING
        return np.flatnonzero(found >= least - 2 * bound)


def _quantised(unit: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.float32]]:
    """int8 codes (R, D), scales (R,), and lengths of the differences (R,)."""
    scales = np.maximum(np.abs(unit).max(axis=1, initial=0), np.float32(1e-12)) / np.float32(_LEVELS)
    codes = np.rint(unit / scales[:, None])
    errors = np.linalg.norm(unit - codes * scales[:, None], axis=1)
    return codes.astype(np.int8), scales.astype(np.float32), errors.astype(np.float32)


def _dots(codes: NDArray[np.int8], rows: NDArray[np.int8]) -> NDArray[np.float32]:
    """(N,) dot products of integers, in parts of at least `_PART` bytes by several threads.

    simsimd's own threads wait for each other without sleeping: beside other work they took 16 ms where one thread takes 0.2.
    """
    parts = min(_THREADS, rows.nbytes // _PART)
    if parts < 2:
        return _dots_of_part(codes, rows)
    return np.concatenate(list(_POOL.map(partial(_dots_of_part, codes), np.array_split(rows, parts))))


def _dots_of_part(codes: NDArray[np.int8], rows: NDArray[np.int8]) -> NDArray[np.float32]:
    dots: NDArray[np.float64] = np.asarray(simsimd.cdist(codes[None], rows, "dot", threads=1))[0]
    return dots.astype(np.float32)
