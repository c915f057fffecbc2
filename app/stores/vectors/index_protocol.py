"""The protocols of one open index: `Engine` reads it, `Index` also writes it; and a scroll over all its points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from app.stores.vectors.batched_reads import read_batches
from app.stores.vectors.conditions import Where
from app.stores.vectors.payload import Payload

Point = tuple[str, list[float], Payload]
"""Id, vector, payload."""


class Engine(Protocol):
    """The reads that an engine offers on one index. Ids are canonical UUID strings."""

    look_cost: int
    """Fetching a record and testing its footprint costs as much as filtering this many points."""

    def size(self) -> int:
        """Number of points."""

    def search(self, vector: NDArray[np.float32], limit: int, where: Where) -> list[tuple[str, float]]:
        """Ids and cosine similarities of the `limit` nearest points, best first, ties in any order."""

    def search_records(
        self, vector: NDArray[np.float32], limit: int, where: Where, fields: Sequence[str]
    ) -> tuple[list[tuple[str, float]], dict[str, Payload]]:
        """What `search` returns, and what `retrieve` returns for it if that saves a request to a server, else nothing."""
        return self.search(vector, limit, where), {}

    def scroll(self, limit: int, start: str | None, where: Where, fields: Sequence[str]) -> list[tuple[str, Payload]]:
        """Up to `limit` points by id ascending, from the id `start` on."""

    def retrieve(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Payload]:
        """Payload fields by id; unknown ids are absent. The field `EMBEDDING_FIELD` is the point's vector."""

    def count(self, where: Where) -> int:
        """Exact number of points."""

    def estimate(self, where: Where) -> int:
        """Approximate number of points, fast."""

    def facet(self, key: str, where: Where) -> dict[str, int]:
        """Exact counts of all values of a keyword field."""

    def first_value(self, key: str, *, descending: bool) -> Any | None:
        """The first value of an indexed number or time field in this order; None if no point has one."""


class Index(Engine, Protocol):
    """One open index."""

    dimension: int
    """D, the length of its vectors."""

    def generation(self) -> int:
        """A number that changes with every write."""

    def upsert(self, points: Sequence[Point]) -> None:
        """Write points with vector and whole payload; existing ids are replaced."""

    def set_payloads(self, payloads: dict[str, Payload]) -> None:
        """Replace the named payload fields of points; unknown ids are ignored. A field with the value None is removed."""

    def set_payload(self, ids: Sequence[str], fields: Payload) -> None:
        """Set payload fields to the same values in all these points; unknown ids are ignored."""

    def delete(self, ids: Sequence[str]) -> None:
        """Delete points; unknown ids are ignored."""

    def retrieve_points(self, ids: Sequence[str]) -> dict[str, tuple[list[float], Payload]]:
        """Vectors with `feature` and `pair`; unknown ids are absent."""

    def scroll_points(self, limit: int, start: str | None, fields: Sequence[str] | None = None) -> list[Point]:
        """Up to `limit` points by id ascending, from the id `start` on, with these payload fields (None: all)."""

    def flush(self) -> None:
        """Make all writes durable."""


def scroll_all(index: Index, size: int, fields: Sequence[str] | None = None) -> Iterator[list[Point]]:
    """Yield all points by id ascending with these payload fields (None: all), in non-empty lists of up to `size`."""
    return read_batches(lambda start: index.scroll_points(size, start, fields), size)
