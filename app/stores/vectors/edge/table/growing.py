"""Arrays whose rows are appended; the capacity doubles."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

_FIRST = 1024
_Scalar = TypeVar("_Scalar", bound=np.generic)


class Growing(Generic[_Scalar]):
    """An array in memory. `rows` is a view of the used part, which the next `resize` replaces.

    shape: of one row. axis 0 counts the rows.
    """

    def __init__(self, dtype: type[_Scalar], shape: tuple[int, ...] = ()) -> None:
        self._array: NDArray[_Scalar] = np.zeros((_FIRST, *shape), dtype)
        self.rows: NDArray[_Scalar] = self._array[:0]

    def resize(self, count: int) -> None:
        """Make `count` rows; new rows are zero or hold old values."""
        if count > len(self._array):
            grown = np.zeros((max(count, 2 * len(self._array)), *self._array.shape[1:]), self._array.dtype)
            grown[: len(self.rows)] = self.rows
            self._array = grown
        self.rows = self._array[:count]

    def replace(self, rows: NDArray[_Scalar]) -> None:
        """Use these rows."""
        self._array = self.rows = np.ascontiguousarray(rows)


class GrowingFile:
    """A (N, D) float32 array in a mapped file; only the pages that are read take memory.

    Raises:
        OSError: the disk is full. Space is allocated before it is mapped, since a full disk would end the process otherwise.
    """

    def __init__(self, path: Path, dimension: int, count: int = 0) -> None:
        self._path, self._dimension = path, dimension
        path.parent.mkdir(exist_ok=True)
        self._mapped = self._map(max(_FIRST, count))
        self.rows: NDArray[np.float32] = self._mapped[:count]

    def resize(self, count: int) -> None:
        """Make `count` rows."""
        if count > len(self._mapped):
            self._mapped = self._map(max(count, 2 * len(self._mapped)))
        self.rows = self._mapped[:count]

    def close(self, count: int) -> None:
        """Write `count` rows to the disk; the array must not be used any more."""
        self._mapped.flush()
        del self._mapped, self.rows
        with self._path.open("rb+") as file:
            file.truncate(count * self._dimension * 4)
            os.fsync(file.fileno())

    def _map(self, capacity: int) -> np.memmap[Any, np.dtype[np.float32]]:
        with self._path.open("ab+") as file:
            size = capacity * self._dimension * 4
            if hasattr(os, "posix_fallocate"):  # macOS has none
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
        return np.memmap(self._path, np.float32, "r+", shape=(capacity, self._dimension))
