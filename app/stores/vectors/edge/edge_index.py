"""One Qdrant Edge shard as an `Index`.

The engine holds the interpreter lock during each call; the lock here only prevents calls after closing. Search is exact,
because no graph is built (`optimize` is never called). Writes are in the write-ahead log at once and on disk after `flush`.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray
from typing_extensions import override

from app.atomic_files import copy_tree
from app.errors import Damaged, DyadError, NotFound, OutOfSpace, Unavailable
from app.stores.vectors.conditions import EVERYTHING, AnyOf, Between, Condition, During, IdIn, Where
from app.stores.vectors.edge.empty_shard import write_empty_shard
from app.stores.vectors.edge.manifest import CURE, write_manifest
from app.stores.vectors.index_protocol import Index, Point
from app.stores.vectors.payload import (
    EMBEDDING_FIELD,
    VECTOR_FIELDS,
    Payload,
)

_ALL_VALUES = 1_000_000
_DELETE_RESERVE = 16 << 20
"""Free bytes that a deletion needs: less than other writes, because deleting is how to make room."""


class EdgeIndex(Index):
    """An open shard. `Index` documents the methods."""

    look_cost = 300

    def __init__(self, path: Path, dimension: int, *, reserve: int) -> None:
        self.dimension = dimension
        self._path = path
        self._reserve = reserve
        self._lock = threading.RLock()
        self._writing = threading.RLock()  # taken before the other one
        self._generation = time.time_ns()
        self._first_values: dict[tuple[str, bool], tuple[int, Any]] = {}
        """By the arguments of `first_value`: the generation in which it was read, and the value."""
        with _translated():
            self._shard: edge.EdgeShard | None = edge.EdgeShard.load(str(path))

    @staticmethod
    def create(path: Path, dimension: int) -> None:
        """Create an empty shard with its payload indexes in the new folder `path`."""
        with _translated():
            write_empty_shard(path, dimension)

    def close(self) -> None:
        """Flush and release the files; later calls raise `NotFound`."""
        with self._writing, self._lock:
            if self._shard is not None:
                with _translated():
                    self._shard.flush()
                    self._shard.close()
                self._shard = None
                self._write_manifest(is_open=False)

    @override
    def generation(self) -> int:
        return self._generation

    @override
    def size(self) -> int:
        with self._open() as shard:
            return shard.info().points_count

    @override
    def search(self, vector: NDArray[np.float32], limit: int, where: Where) -> list[tuple[str, float]]:
        query = edge.Query.Nearest(vector.tolist())
        with self._open() as shard:
            found = shard.search(edge.SearchRequest(query=query, limit=limit, filter=_filter(where), with_payload=False))
        return [(str(point.id), point.score) for point in found]

    @override
    def scroll(self, limit: int, start: str | None, where: Where, fields: Sequence[str]) -> list[tuple[str, Payload]]:
        request = edge.ScrollRequest(offset=start, limit=limit, filter=_filter(where), with_payload=list(fields))
        with self._open() as shard:
            records, _ = shard.scroll(request)
        return [(str(record.id), record.payload or {}) for record in records]

    @override
    def retrieve(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Payload]:
        if not ids:
            return {}
        with self._open() as shard:
            records = shard.retrieve(list(ids), list(fields), EMBEDDING_FIELD in fields)
        if EMBEDDING_FIELD in fields:
            return {str(record.id): {**(record.payload or {}), EMBEDDING_FIELD: _vector(record)} for record in records}
        return {str(record.id): record.payload or {} for record in records}

    @override
    def count(self, where: Where) -> int:
        return self._count(where, exact=True)

    @override
    def estimate(self, where: Where) -> int:
        return self._count(where, exact=False)

    @override
    def facet(self, key: str, where: Where) -> dict[str, int]:
        request = edge.FacetRequest(key, limit=_ALL_VALUES, exact=True, filter=_filter(where))
        with self._open() as shard:
            return {str(hit.value): hit.count for hit in shard.facet(request).hits}

    @override
    def first_value(self, key: str, *, descending: bool) -> Any | None:
        order = edge.OrderBy(key, direction=edge.Direction.Desc if descending else edge.Direction.Asc)
        with self._open() as shard:
            generation, value = self._first_values.get((key, descending), (-1, None))
            if generation != self._generation:
                records, _ = shard.scroll(edge.ScrollRequest(limit=1, order_by=order, with_payload=[key]))
                value = (records[0].payload or {}).get(key) if records else None
                self._first_values[key, descending] = self._generation, value
        return value

    @override
    def upsert(self, points: Sequence[Point]) -> None:
        self._write([edge.UpdateOperation.upsert_points([edge.Point(*point) for point in points])])

    @override
    def set_payloads(self, payloads: dict[str, Payload]) -> None:
        with self._writing:
            known = self.retrieve(list(payloads), [])
            self._write([edge.UpdateOperation.set_payload([point], payloads[point]) for point in known])

    @override
    def set_payload(self, ids: Sequence[str], fields: Payload) -> None:
        with self._writing:
            known: list[int | UUID | str] = list(self.retrieve(ids, []))
            if known:
                self._write([edge.UpdateOperation.set_payload(known, fields)])

    @override
    def delete(self, ids: Sequence[str]) -> None:
        self._write([edge.UpdateOperation.delete_points(list(ids))], reserve=min(self._reserve, _DELETE_RESERVE))

    @override
    def retrieve_points(self, ids: Sequence[str]) -> dict[str, tuple[list[float], Payload]]:
        with self._open() as shard:
            records = shard.retrieve(list(ids), VECTOR_FIELDS, True) if ids else []
        return {str(record.id): (_vector(record), record.payload or {}) for record in records}

    @override
    def scroll_points(self, limit: int, start: str | None, fields: Sequence[str] | None = None) -> list[Point]:
        payload = True if fields is None else list(fields)
        with self._open() as shard:
            records, _ = shard.scroll(edge.ScrollRequest(offset=start, limit=limit, with_payload=payload, with_vector=True))
        return [(str(record.id), _vector(record), record.payload or {}) for record in records]

    @override
    def flush(self) -> None:
        with self._open() as shard:
            shard.flush()
        self._write_manifest(is_open=True)

    def set_vectors(self, vectors: Sequence[tuple[str, list[float]]]) -> None:
        """Replace the vectors of existing points, ten times as fast as an upsert."""
        self._write([edge.UpdateOperation.update_vectors([edge.PointVectors(*each) for each in vectors])])

    def copy_to(self, path: Path) -> None:
        """Copy the current state of the shard into the new folder `path`; searches continue, writes wait."""
        with self._writing:
            self.flush()
            copy_tree(self._path, path)

    def _write_manifest(self, *, is_open: bool) -> None:
        """Write the manifest, unless the index is still being built. Without it the next start probes the shard."""
        with suppress(Unavailable, OSError):
            write_manifest(self._path.parent, is_open=is_open)

    def _count(self, where: Where, *, exact: bool) -> int:
        with self._open() as shard:
            return shard.count(edge.CountRequest(filter=_filter(where), exact=exact))

    def _write(self, operations: Sequence[edge.UpdateOperation], *, reserve: int | None = None) -> None:
        check_space(self._path, self._reserve if reserve is None else reserve)
        with self._writing, self._open() as shard:
            self._generation += 1
            for operation in operations:
                shard.update(operation)

    @contextmanager
    def _open(self) -> Iterator[edge.EdgeShard]:
        with self._lock:
            if self._shard is None:
                raise NotFound(f"index {self._path.parent.name!r} was closed")
            with _translated():
                yield self._shard


def check_space(path: Path, reserve: int) -> None:
    """Raise `OutOfSpace` unless `reserve` bytes are free: the engine writes to sparse mapped files, and a full disk then kills
    the process (SIGBUS) instead of raising an error.
    """
    if shutil.disk_usage(path).free < reserve:
        raise OutOfSpace(f"the disk of {path} has less than {reserve >> 20} MB free; make room and try again")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DyadError:
        raise
    except Exception as error:  # the engine raises nothing more specific
        if "os error 28" in str(error) or "No space left" in str(error):
            raise OutOfSpace(f"the disk is full: {error}; make room and try again") from None
        raise Unavailable(f"vector store: {error}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # the engine's own, which it exports nowhere
            raise
        raise Damaged(f"vector store: the engine failed on damaged files ({error}); {CURE}") from None


def _vector(record: edge.Record) -> list[float]:
    vector: list[float] = record.vector  # type: ignore[assignment]
    return vector


def _filter(where: Where) -> edge.Filter | None:
    if where == EVERYTHING:
        return None
    parts = ([_condition(part) for part in parts] or None for parts in (where.must, where.some, where.never))
    must, should, must_not = parts
    return edge.Filter(must=must, should=should, must_not=must_not)


def _condition(condition: Condition) -> Any:
    if isinstance(condition, Where):
        return _filter(condition) or edge.Filter()
    if isinstance(condition, IdIn):
        return edge.HasIdCondition(set(condition.ids))
    if isinstance(condition, AnyOf):
        return edge.FieldCondition(condition.key, match=edge.MatchAny(list(condition.values)))
    if isinstance(condition, Between):
        return edge.FieldCondition(condition.key, range=edge.RangeFloat(gte=condition.low, lte=condition.high))
    if isinstance(condition, During):
        return edge.FieldCondition(condition.key, range=edge.RangeDateTime(gte=condition.start, lte=condition.end))
    corners = edge.GeoPoint(condition.west, condition.north), edge.GeoPoint(condition.east, condition.south)
    return edge.FieldCondition(condition.key, geo_bounding_box=edge.GeoBoundingBox(*corners))
