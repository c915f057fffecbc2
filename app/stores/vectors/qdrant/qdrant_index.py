"""One collection of a Qdrant server as an `Index`.

A search is exact if few tiles qualify, and uses the graph if many do. A graph search may miss some tiles; with a filter it
uses ACORN, because filtered graph searches without it lose tiles silently.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qdrant_client import QdrantClient, models
from typing_extensions import override

from app.stores.vectors.conditions import EVERYTHING, Where
from app.stores.vectors.index_protocol import Index, Point
from app.stores.vectors.payload import EMBEDDING_FIELD, VECTOR_FIELDS, Payload
from app.stores.vectors.qdrant.calls import Calls
from app.stores.vectors.qdrant.filters import to_filter
from app.stores.vectors.qdrant.options import EXACT, QdrantOptions

_ALL_VALUES = 1_000_000
_COUNTED_EXACTLY = 1_000_000
_SIZE_SECONDS = 10.0
_LONG_PAGE = 10_000
"""For a longer answer the graph costs more than an exact search."""


class QdrantIndex(Index):
    """A collection. Its `generation` differs at each call, because other processes may write."""

    look_cost = 300

    def __init__(self, client: QdrantClient, calls: Calls, collection: str, dimension: int, options: QdrantOptions) -> None:
        self.dimension = dimension
        self._client = client
        self._calls = calls
        self._name = collection
        self._options = options
        self._about = (0, 0.0)

    @override
    def generation(self) -> int:
        return time.time_ns()

    @override
    def size(self) -> int:
        return self.count(EVERYTHING)

    @override
    def search(self, vector: NDArray[np.float32], limit: int, where: Where) -> list[tuple[str, float]]:
        return [(str(point.id), point.score) for point in self._nearest(vector, limit, where, ())]

    @override
    def search_records(
        self, vector: NDArray[np.float32], limit: int, where: Where, fields: Sequence[str]
    ) -> tuple[list[tuple[str, float]], dict[str, Payload]]:
        points = self._nearest(vector, limit, where, fields)
        return [(str(point.id), point.score) for point in points], {str(point.id): _fields(point, fields) for point in points}

    @override
    def scroll(self, limit: int, start: str | None, where: Where, fields: Sequence[str]) -> list[tuple[str, Payload]]:
        records, _ = self._calls(
            self._client.scroll,
            self._name,
            scroll_filter=to_filter(where),
            limit=limit,
            offset=start,
            with_payload=list(fields),
        )
        return [(str(record.id), record.payload or {}) for record in records]

    @override
    def retrieve(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Payload]:
        if not ids:
            return {}
        records = self._calls(self._client.retrieve, self._name, list(ids), **_reads(fields))
        return {str(record.id): _fields(record, fields) for record in records}

    @override
    def count(self, where: Where) -> int:
        """Exact up to a million; an estimate above, because an exact count visits every point."""
        if self._size() > _COUNTED_EXACTLY and (about := self.estimate(where)) > _COUNTED_EXACTLY:
            return about
        return self._calls(self._client.count, self._name, count_filter=to_filter(where), exact=True).count

    @override
    def estimate(self, where: Where) -> int:
        return self._calls(self._client.count, self._name, count_filter=to_filter(where), exact=False).count

    @override
    def facet(self, key: str, where: Where) -> dict[str, int]:
        answer = self._calls(self._client.facet, self._name, key, facet_filter=to_filter(where), limit=_ALL_VALUES, exact=True)
        return {str(hit.value): hit.count for hit in answer.hits}

    @override
    def first_value(self, key: str, *, descending: bool) -> Any | None:
        order = models.OrderBy(key=key, direction=models.Direction.DESC if descending else models.Direction.ASC)
        records, _ = self._calls(self._client.scroll, self._name, limit=1, order_by=order, with_payload=[key])
        return (records[0].payload or {}).get(key) if records else None

    @override
    def upsert(self, points: Sequence[Point]) -> None:
        rows = [models.PointStruct(id=point, vector=vector, payload=payload) for point, vector, payload in points]
        self._calls(self._client.upsert, self._name, rows, wait=True)

    @override
    def set_payloads(self, payloads: dict[str, Payload]) -> None:
        operations = [
            models.SetPayloadOperation(set_payload=models.SetPayload(payload=payloads[point], points=[point]))
            for point in self.retrieve(list(payloads), [])
        ]
        if operations:
            self._calls(self._client.batch_update_points, self._name, operations, wait=True)

    @override
    def set_payload(self, ids: Sequence[str], fields: Payload) -> None:
        known = list(self.retrieve(ids, []))
        if known:
            self._calls(self._client.set_payload, self._name, fields, models.PointIdsList(points=[*known]), wait=True)

    @override
    def delete(self, ids: Sequence[str]) -> None:
        self._calls(self._client.delete, self._name, models.PointIdsList(points=list(ids)), wait=True)

    @override
    def retrieve_points(self, ids: Sequence[str]) -> dict[str, tuple[list[float], Payload]]:
        if not ids:
            return {}
        records = self._calls(self._client.retrieve, self._name, list(ids), with_payload=VECTOR_FIELDS, with_vectors=True)
        return {str(record.id): (_vector(record), record.payload or {}) for record in records}

    @override
    def scroll_points(self, limit: int, start: str | None, fields: Sequence[str] | None = None) -> list[Point]:
        payload = True if fields is None else list(fields)
        records, _ = self._calls(
            self._client.scroll, self._name, limit=limit, offset=start, with_payload=payload, with_vectors=True
        )
        return [(str(record.id), _vector(record), record.payload or {}) for record in records]

    @override
    def flush(self) -> None:
        """Do nothing: the server acknowledges every write and syncs its own log."""

    def _nearest(
        self, vector: NDArray[np.float32], limit: int, where: Where, fields: Sequence[str]
    ) -> list[models.ScoredPoint]:
        if limit > _LONG_PAGE or self._are_few(where):
            return self._rank(vector, limit, where, EXACT, fields)
        params = self._options.by_graph(limit, is_filtered=where != EVERYTHING)
        found = self._rank(vector, limit, where, params, fields)
        return found if len(found) == limit else self._rank(vector, limit, where, EXACT, fields)

    def _rank(
        self, vector: NDArray[np.float32], limit: int, where: Where, params: models.SearchParams, fields: Sequence[str]
    ) -> list[models.ScoredPoint]:
        answer = self._calls(
            self._client.query_points,
            self._name,
            query=vector.tolist(),
            limit=limit,
            query_filter=to_filter(where),
            search_params=params,
            **_reads(fields),
        )
        return answer.points

    def _are_few(self, where: Where) -> bool:
        """Whether few enough tiles qualify for an exact search, by the server's estimate."""
        few = self._options.exact_below
        return self._size() <= few or (where != EVERYTHING and self.estimate(where) <= few)

    def _size(self) -> int:
        """Approximate number of points, cached for a few seconds."""
        size, asked = self._about
        now = time.monotonic()
        if not asked or now - asked > _SIZE_SECONDS:
            size = self.estimate(EVERYTHING)
            self._about = size, now
        return size


def _reads(fields: Sequence[str]) -> dict[str, Any]:
    """Arguments of the client that read fields of points."""
    payload = [field for field in fields if field != EMBEDDING_FIELD]
    return {"with_payload": payload or False, "with_vectors": EMBEDDING_FIELD in fields}


def _fields(record: models.Record | models.ScoredPoint, fields: Sequence[str]) -> Payload:
    payload = record.payload or {}
    return {**payload, EMBEDDING_FIELD: _vector(record)} if EMBEDDING_FIELD in fields else payload


def _vector(record: models.Record | models.ScoredPoint) -> list[float]:
    vector: list[float] = record.vector  # type: ignore[assignment]
    return vector
