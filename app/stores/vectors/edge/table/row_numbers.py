"""From the ids of points to their rows, in 24 bytes a point."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.stores.vectors.edge.table.growing import Growing

_MAX_RECENT = 20_000


def keys_of(ids: Sequence[str]) -> NDArray[np.uint64]:
    """(N, 2) the high and low half of each UUID."""
    numbers = [UUID(point).int for point in ids]
    return np.array([(number >> 64, number & (1 << 64) - 1) for number in numbers], np.uint64).reshape(len(ids), 2)


class RowNumbers:
    """Finds rows by id: binary search in sorted ids, and a dictionary of the recent ones. keys: (N, 2) of all rows."""

    def __init__(self, keys: Growing[np.uint64]) -> None:
        self._keys = keys
        self._order: NDArray[np.int64] = np.zeros(0, np.int64)
        self._sorted: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._recent: dict[str, int] = {}

    def add(self, ids: Sequence[str], rows: NDArray[np.int64]) -> None:
        """Note new ids."""
        self._recent.update(zip(ids, rows.tolist(), strict=True))
        if len(self._recent) > _MAX_RECENT + len(self._order) // 8:
            self._sort()

    def find(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """(N,) rows; -1 for unknown ids."""
        if len(self._order) + len(self._recent) < len(self._keys.rows):
            self._sort()
        rows = np.array([self._recent.get(point, -1) for point in ids], np.int64)
        older = np.flatnonzero(rows < 0)
        if len(older) and len(self._order):
            rows[older] = self._search(keys_of([ids[place] for place in older.tolist()]))
        return rows

    def _search(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        first = np.searchsorted(self._sorted, keys[:, 0], "left")
        last = np.searchsorted(self._sorted, keys[:, 0], "right")
        rows = np.full(len(keys), -1, np.int64)
        for shift in range(int((last - first).max(initial=0))):  # more than one only if the first keys are equal
            place = np.flatnonzero(first + shift < last)
            found = self._order[first[place] + shift]
            is_same = self._keys.rows[found, 1] == keys[place, 1]
            rows[place[is_same]] = found[is_same]
        return rows

    def _sort(self) -> None:
        self._order = np.argsort(self._keys.rows[:, 0], kind="stable")
        self._sorted = self._keys.rows[self._order, 0]
        self._recent.clear()
