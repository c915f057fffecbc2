"""The protocol of one open index, which each engine implements, and a scroll over all its points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from app.stores.vectors import exact_answers
from app.stores.vectors.batched_reads import read_batches
from app.stores.vectors.payload import Payload

Point = tuple[str, list[float], Payload]
"""Id, vector, payload."""


class Index(exact_answers.Engine, Protocol):
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
