"""One collection of a Qdrant server as an `Index`; every search is exact."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse
from typing_extensions import override

from app.errors import Conflict, NotFound, OutOfSpace, Unavailable
from app.stores.conditions import EVERYTHING, AnyOf, Between, Condition, During, IdIn, Where
from app.stores.indexes import Index, Point
from app.stores.payload import VECTOR_FIELDS, Payload

_ALL_VALUES = 1_000_000
_DISK_FULL = "No space left"


class QdrantIndex(Index):
    """A collection. `generation` counts this process's writes only."""

    def __init__(self, client: QdrantClient, collection: str, dimension: int) -> None:
        self.dimension = dimension
        self._client = client
        self._name = collection
        self._generation = time.time_ns()

    @override
    def generation(self) -> int:
        return self._generation

    @override
    def size(self) -> int:
        return self.count(EVERYTHING)

    @override
    def rank(self, vector: NDArray[np.float32], limit: int, where: Where) -> list[tuple[str, float]]:
        with translated():
            answer = self._client.query_points(
                self._name,
                query=vector.tolist(),
                limit=limit,
                query_filter=_filter(where),
                search_params=models.SearchParams(exact=True),
                with_payload=False,
            )
        return [(str(point.id), point.score) for point in answer.points]

    @override
    def page(self, limit: int, start: str | None, where: Where, fields: Sequence[str]) -> list[tuple[str, Payload]]:
        with translated():
            records, _ = self._client.scroll(
                self._name, scroll_filter=_filter(where), limit=limit, offset=start, with_payload=list(fields)
            )
        return [(str(record.id), record.payload or {}) for record in records]

    @override
    def fetch(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Payload]:
        if not ids:
            return {}
        with translated():
            records = self._client.retrieve(self._name, list(ids), with_payload=list(fields) or False)
        return {str(record.id): record.payload or {} for record in records}

    @override
    def count(self, where: Where) -> int:
        with translated():
            return self._client.count(self._name, count_filter=_filter(where), exact=True).count

    @override
    def estimate(self, where: Where) -> int:
        with translated():
            return self._client.count(self._name, count_filter=_filter(where), exact=False).count

    @override
    def facet(self, key: str, where: Where) -> dict[str, int]:
        with translated():
            answer = self._client.facet(self._name, key, facet_filter=_filter(where), limit=_ALL_VALUES, exact=True)
        return {str(hit.value): hit.count for hit in answer.hits}

    @override
    def extreme(self, key: str, *, largest: bool) -> Any | None:
        order = models.OrderBy(key=key, direction=models.Direction.DESC if largest else models.Direction.ASC)
        with translated():
            records, _ = self._client.scroll(self._name, limit=1, order_by=order, with_payload=[key])
        return (records[0].payload or {}).get(key) if records else None

    @override
    def put(self, points: Sequence[Point]) -> None:
        rows = [models.PointStruct(id=point, vector=vector, payload=payload) for point, vector, payload in points]
        self._generation += 1
        with translated():
            self._client.upsert(self._name, rows, wait=True)

    @override
    def set_payloads(self, payloads: dict[str, Payload]) -> None:
        operations = [
            models.SetPayloadOperation(set_payload=models.SetPayload(payload=payloads[point], points=[point]))
            for point in self.fetch(list(payloads), [])
        ]
        self._generation += 1
        with translated():
            if operations:
                self._client.batch_update_points(self._name, operations, wait=True)

    @override
    def set_fields(self, ids: Sequence[str], fields: Payload) -> None:
        known = list(self.fetch(ids, []))
        self._generation += 1
        with translated():
            if known:
                self._client.set_payload(self._name, fields, models.PointIdsList(points=[*known]), wait=True)

    @override
    def remove(self, ids: Sequence[str]) -> None:
        self._generation += 1
        with translated():
            self._client.delete(self._name, models.PointIdsList(points=list(ids)), wait=True)

    @override
    def points(self, ids: Sequence[str]) -> dict[str, tuple[list[float], Payload]]:
        if not ids:
            return {}
        with translated():
            records = self._client.retrieve(self._name, list(ids), with_payload=VECTOR_FIELDS, with_vectors=True)
        return {str(record.id): (_vector(record), record.payload or {}) for record in records}

    @override
    def walk(self, limit: int, start: str | None, fields: Sequence[str] | None = None) -> list[Point]:
        payload = True if fields is None else list(fields)
        with translated():
            records, _ = self._client.scroll(self._name, limit=limit, offset=start, with_payload=payload, with_vectors=True)
        return [(str(record.id), _vector(record), record.payload or {}) for record in records]

    @override
    def flush(self) -> None:
        """Nothing to do: the server acknowledged every write, and syncs its own log."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn the client's errors into ours."""
    try:
        yield
    except UnexpectedResponse as error:
        text = error.content.decode("utf-8", "replace")[:300]
        if error.status_code == 404:
            raise NotFound(f"vector store: {text}") from None
        if error.status_code == 409:
            raise Conflict(f"vector store: {text}") from None
        kind = OutOfSpace if _DISK_FULL in text else Unavailable
        raise kind(f"vector store answers {error.status_code}: {text}") from error
    except ResponseHandlingException as error:
        raise Unavailable(f"vector store does not answer ({error}); check DYAD_VECTORS_URL and that the server runs") from error
    except ApiException as error:
        raise Unavailable(f"vector store: {error}") from error
    except ValueError as error:  # the client's local mode
        if "not found" in str(error):
            raise NotFound(f"vector store: {error}") from None
        raise


def _vector(record: models.Record) -> list[float]:
    vector: list[float] = record.vector  # type: ignore[assignment]
    return vector


def _filter(where: Where) -> models.Filter | None:
    if where == EVERYTHING:
        return None
    must, should, must_not = ([_condition(part) for part in parts] or None for parts in (where.must, where.some, where.never))
    return models.Filter(must=must, should=should, must_not=must_not)


def _condition(condition: Condition) -> Any:
    if isinstance(condition, Where):
        return _filter(condition) or models.Filter()
    if isinstance(condition, IdIn):
        return models.HasIdCondition(has_id=list(condition.ids))
    if isinstance(condition, AnyOf):
        return models.FieldCondition(key=condition.key, match=models.MatchAny(any=list(condition.values)))
    if isinstance(condition, Between):
        return models.FieldCondition(key=condition.key, range=models.Range(gte=condition.low, lte=condition.high))
    if isinstance(condition, During):
        interval = models.DatetimeRange.model_validate({"gte": condition.start, "lte": condition.end})
        return models.FieldCondition(key=condition.key, range=interval)
    box = models.GeoBoundingBox(
        top_left=models.GeoPoint(lon=condition.west, lat=condition.north),
        bottom_right=models.GeoPoint(lon=condition.east, lat=condition.south),
    )
    return models.FieldCondition(key=condition.key, geo_bounding_box=box)
