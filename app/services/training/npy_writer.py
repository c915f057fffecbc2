"""Writes arrays of unknown length to .npy files in parts, so that memory holds one part at a time."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray


class NpyWriter:
    """Writes a .npy file of rows of one shape and dtype. A context manager: the header is completed at its end.

    row: shape of a row.
    """

    def __init__(self, path: Path, dtype: type[np.generic], row: tuple[int, ...]) -> None:
        self._dtype, self._row = np.dtype(dtype), row
        self._file = path.open("wb")
        self.rows = 0
        self._write_header()

    def append(self, rows: NDArray[Any]) -> None:
        """Append rows, an array of shape (M, *row).

        Raises:
            ValueError: the shape or the dtype differs.
        """
        if rows.shape[1:] != self._row or rows.dtype != self._dtype:
            raise ValueError(f"rows of {rows.shape[1:]} {rows.dtype} for a file of {self._row} {self._dtype}")
        self._file.write(np.ascontiguousarray(rows).data)
        self.rows += len(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._file.seek(0)
                self._write_header()  # NumPy leaves room for the first number of a shape to grow
        finally:
            self._file.close()

    def _write_header(self) -> None:
        header = {"descr": npy.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (self.rows, *self._row)}
        npy.write_array_header_1_0(self._file, header)
