"""All of a list that is read by id, some rows at a time, where a read begins with the row whose id it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

RowT = TypeVar("RowT", bound=tuple[Any, ...])


def read_batches(read: Callable[[str | None], list[RowT]], size: int, after: str | None = None) -> Iterator[list[RowT]]:
    """The rows behind the id `after`, by id ascending, in lists of up to `size`, none of them empty.

    read: up to `size` rows from an id on, None: from the first; a row begins with its id.
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
