"""All rows of an index as arrays: ids, filter fields and vectors."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.stores.vectors.conditions import EVERYTHING, Where
from app.stores.vectors.edge.table.fields import FIELDS, Fields
from app.stores.vectors.edge.table.growing import Growing
from app.stores.vectors.edge.table.quantised_vectors import QuantisedVectors
from app.stores.vectors.edge.table.row_numbers import RowNumbers, keys_of
from app.stores.vectors.index_protocol import Point
from app.stores.vectors.payload import Payload

Rows = NDArray[np.int64]
_NO_FIELDS: Payload = dict.fromkeys(FIELDS)


class SearchTable:
    """The points of an index, without what only a record or a matcher needs. Methods may be called by several threads.

    A deleted point keeps its row, which no answer contains, until the same id is written again.
    """

    def __init__(self, file: Path, dimension: int, count: int = 0) -> None:
        self.fields = Fields()
        self.vectors = QuantisedVectors(file, dimension, count)
        self.keys = Growing(np.uint64, (2,))
        self.is_live = Growing(np.bool_)
        self.size = 0
        self._numbers = RowNumbers(self.keys)
        self._lock = threading.RLock()

    def upsert(self, points: Sequence[Point]) -> None:
        """Add points, or replace those with the same id."""
        latest = {point: (vector, payload) for point, vector, payload in points}
        if not latest:
            return
        with self._lock:
            rows = self._rows_for(list(latest))
            self.fields.set(rows, [{**_NO_FIELDS, **payload} for _, payload in latest.values()])
            self.vectors.set(rows, np.array([vector for vector, _ in latest.values()], np.float32))
            self.size += int(np.count_nonzero(~self.is_live.rows[rows]))
            self.is_live.rows[rows] = True

    def set_fields(self, payloads: dict[str, Payload]) -> None:
        """Set the named fields of points; unknown ids are ignored."""
        with self._lock:
            rows = self._numbers.find(list(payloads))
            known = [(row, payload) for row, payload in zip(rows.tolist(), payloads.values(), strict=True) if row >= 0]
            self.fields.set(np.array([row for row, _ in known], np.int64), [payload for _, payload in known])

    def set_vectors(self, vectors: Sequence[tuple[str, list[float]]]) -> None:
        """Replace the vectors of points; unknown ids are ignored."""
        with self._lock:
            rows = self._numbers.find([point for point, _ in vectors])
            is_known = rows >= 0
            if is_known.any():
                self.vectors.set(rows[is_known], np.array([row for _, row in vectors], np.float32)[is_known])

    def embeddings(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The (D,) unit vectors of points by id; unknown ids are absent."""
        with self._lock:
            rows = self._numbers.find(ids)
            is_known = rows >= 0
            is_known[is_known] = self.is_live.rows[rows[is_known]]
            vectors = self.vectors.exact.rows[rows[is_known]]
        return dict(zip(itertools.compress(ids, is_known.tolist()), vectors, strict=True))

    def delete(self, ids: Sequence[str]) -> None:
        """Delete points; unknown ids are ignored."""
        with self._lock:
            rows = np.unique(self._numbers.find(ids))
            rows = rows[rows >= 0]
            self.size -= int(np.count_nonzero(self.is_live.rows[rows]))
            self.is_live.rows[rows] = False

    def search(self, vector: NDArray[np.float32], limit: int, where: Where) -> list[tuple[str, float]]:
        """Ids and cosine similarities of the nearest points; see `Engine.search`.

        Raises:
            Unsupported: so do `count`, `scroll` and `count_labels`.
        """
        with self._lock:
            rows, scores = self.vectors.nearest(vector, limit, self._chosen(where))
            return list(zip(self._ids(rows), scores.tolist(), strict=True))

    def count(self, where: Where) -> int:
        """Number of points."""
        with self._lock:
            return self.size if where == EVERYTHING else int(np.count_nonzero(self._mask(where)))

    def scroll(self, limit: int, start: str | None, where: Where) -> list[str]:
        """Up to `limit` ids of points, ascending, from the id `start` on."""
        with self._lock:
            rows = np.flatnonzero(self._mask(where))
            high, low = self.keys.rows[rows].T
            if start is not None:
                first = keys_of([start])[0]
                is_behind = (high > first[0]) | ((high == first[0]) & (low >= first[1]))
                rows, high, low = rows[is_behind], high[is_behind], low[is_behind]
            if limit < len(rows):
                is_first = high <= np.partition(high, limit)[limit]
                rows, high, low = rows[is_first], high[is_first], low[is_first]
            return self._ids(rows[np.lexsort((low, high))][:limit])

    def count_labels(self, where: Where) -> dict[str, int]:
        """The number of points of each label."""
        with self._lock:
            return self.fields.count_labels(self._mask(where))

    def _mask(self, where: Where) -> NDArray[np.bool_]:
        mask = self.fields.mask(where, self._is_in)
        return self.is_live.rows if mask is None else mask & self.is_live.rows

    def _is_in(self, ids: Sequence[str]) -> NDArray[np.bool_]:
        rows = self._numbers.find(ids)
        mask = np.zeros(len(self.is_live.rows), bool)
        mask[rows[rows >= 0]] = True
        return mask

    def _chosen(self, where: Where) -> Rows | None:
        is_all = self.size == len(self.is_live.rows)
        return None if where == EVERYTHING and is_all else np.flatnonzero(self._mask(where))

    def _rows_for(self, ids: Sequence[str]) -> Rows:
        """The rows of these ids, new ones for new ids."""
        rows = self._numbers.find(ids)
        new = np.flatnonzero(rows < 0)
        if len(new):
            count = len(self.is_live.rows)
            rows[new] = np.arange(count, count + len(new))
            self.vectors.resize(count + len(new))  # first: a full disk leaves the table as it was
            for part in (self.keys, self.is_live, self.fields):
                part.resize(count + len(new))
            added = [ids[place] for place in new.tolist()]
            self.keys.rows[rows[new]] = keys_of(added)
            self.is_live.rows[rows[new]] = False
            self._numbers.add(added, rows[new])
        return rows

    def _ids(self, rows: Rows) -> list[str]:
        return [_id_text(f"{high:016x}{low:016x}") for high, low in self.keys.rows[rows].tolist()]


def _id_text(digits: str) -> str:
    """The canonical text of a UUID, as `str(UUID(digits))` in a fifth of the time."""
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
