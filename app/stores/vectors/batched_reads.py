"""Reads a whole list in batches, ordered by id, with a reader whose offset is the id of the first row to return."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

RowT = TypeVar("RowT", bound=tuple[Any, ...])


def read_batches(read: Callable[[str | None], list[RowT]], size: int, after: str | None = None) -> Iterator[list[RowT]]:
    """Yield the rows after the id `after`, by id ascending, in non-empty lists of up to `size`.

    read: returns up to `size` rows from an id on, inclusive (None: from the first). The first field of a row is its id.
    """
    is_last = False
    while not is_last:
        rows = read(after)
        is_last = len(rows) < size
        if rows and rows[0][0] == after:
            rows = rows[1:]
        if rows:
            after = rows[-1][0]
            yield rows
