"""An index whose searches and filters are answered by a search table, as soon as it is built; the engine has the points.

The table is built in a thread when a large index is first searched, while the engine answers, and follows every write. After a
clean end its files are read instead. Whatever it cannot do, or a disk without room for it, leaves the answers to the engine. A
table that was not built is tried again only after the index has changed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from app.errors import DyadError
from app.stores.vectors.conditions import EVERYTHING, Where
from app.stores.vectors.edge.edge_index import EdgeIndex
from app.stores.vectors.edge.table.fields import FIELDS, Unsupported
from app.stores.vectors.edge.table.search_table import SearchTable
from app.stores.vectors.edge.table.table_files import new_table, save
from app.stores.vectors.index_protocol import Point
from app.stores.vectors.payload import EMBEDDING_FIELD, LABELS_FIELD, Payload

log = logging.getLogger(__name__)

TABLE_FROM = 5_000
"""Points from which on an index gets a table; below, the engine takes less than a millisecond."""
_BATCH = 200
_LOOK_COST = 20_000
_Answer = TypeVar("_Answer")


class TabledIndex(EdgeIndex):
    """An open shard with a search table. table: read from the files of a clean end. table_from: see `TABLE_FROM`."""

    def __init__(
        self, path: Path, dimension: int, *, reserve: int, table: SearchTable | None = None, table_from: int = TABLE_FROM
    ) -> None:
        super().__init__(path, dimension, reserve=reserve)
        self._table_from = table_from
        self._builder: threading.Thread | None = None
        self._is_building = threading.Event()
        self._changed: set[str] = set()
        self._table: SearchTable | None = None
        self._failed_at: int | None = None
        """The generation of which no table could be built."""
        if table is not None and table.size == super().size():
            self._use(table)

    @override
    def close(self) -> None:
        self._is_building.clear()
        if self._builder is not None and self._builder is not threading.current_thread():
            self._builder.join()
        super().close()
        table = self._table
        self._use(None)
        if table is not None:
            try:
                save(table, self._path.parent)
            except (OSError, DyadError) as error:
                log.warning("%s: the search table was not saved (%s) and will be built again", self._path.parent, error)

    @override
    def search(self, vector: NDArray[np.float32], limit: int, where: Where) -> list[tuple[str, float]]:
        return self._answer(
            lambda table: table.search(vector, limit, where), lambda: super(TabledIndex, self).search(vector, limit, where)
        )

    @override
    def count(self, where: Where) -> int:
        return self._answer(lambda table: table.count(where), lambda: super(TabledIndex, self).count(where))

    @override
    def estimate(self, where: Where) -> int:
        return self._answer(lambda table: table.count(where), lambda: super(TabledIndex, self).estimate(where))

    @override
    def facet(self, key: str, where: Where) -> dict[str, int]:
        engine = super().facet
        if key != LABELS_FIELD:
            return engine(key, where)
        return self._answer(lambda table: table.count_labels(where), lambda: engine(key, where))

    @override
    def scroll(self, limit: int, start: str | None, where: Where, fields: Sequence[str]) -> list[tuple[str, Payload]]:
        engine = super().scroll
        if where == EVERYTHING:
            return engine(limit, start, where, fields)

        def from_table(table: SearchTable) -> list[tuple[str, Payload]]:
            ids = table.scroll(limit, start, where)
            found = self.retrieve(ids, fields)
            return [(point, found[point]) for point in ids if point in found]

        return self._answer(from_table, lambda: engine(limit, start, where, fields))

    @override
    def retrieve(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Payload]:
        table = self._table
        if table is None or EMBEDDING_FIELD not in fields:
            return super().retrieve(ids, fields)
        found = super().retrieve(ids, [name for name in fields if name != EMBEDDING_FIELD])
        embeddings = table.embeddings(list(found))
        if len(embeddings) < len(found):  # a write came between
            return super().retrieve(ids, fields)
        return {point: {**payload, EMBEDDING_FIELD: embeddings[point]} for point, payload in found.items()}

    @override
    def upsert(self, points: Sequence[Point]) -> None:
        with self._writing:
            super().upsert(points)
            self._follow([point for point, _, _ in points], lambda table: table.upsert(points))

    @override
    def set_payloads(self, payloads: dict[str, Payload]) -> None:
        with self._writing:
            super().set_payloads(payloads)
            self._follow(payloads, lambda table: table.set_fields(payloads))

    @override
    def set_payload(self, ids: Sequence[str], fields: Payload) -> None:
        with self._writing:
            super().set_payload(ids, fields)
            self._follow(ids, lambda table: table.set_fields(dict.fromkeys(ids, fields)))

    @override
    def set_vectors(self, vectors: Sequence[tuple[str, list[float]]]) -> None:
        with self._writing:
            super().set_vectors(vectors)
            self._follow([point for point, _ in vectors], lambda table: table.set_vectors(vectors))

    @override
    def delete(self, ids: Sequence[str]) -> None:
        with self._writing:
            super().delete(ids)
            self._follow(ids, lambda table: table.delete(ids))

    def wait_for_table(self) -> None:
        """Start building the table, if the index is large enough and has none, and wait for it."""
        if self._table is None:
            self._start_building()
        if self._builder is not None:
            self._builder.join()

    def _build(self) -> None:
        reason: object = None
        try:
            reason = self._try_to_build()
        except Exception as error:  # noqa: BLE001 - of a thread: whatever it is, the engine answers
            reason = error
        finally:
            with self._writing:
                if reason is not None:
                    self._failed_at = self.generation()
                    log.warning("%s: no search table (%s); filters are slower until it changes", self._path.parent, reason)
                self._changed.clear()
                self._is_building.clear()

    def _try_to_build(self) -> str | None:
        """Build the table and use it; the reason if it cannot be used, None as well if the index is being closed."""
        table = new_table(self._path.parent, self.dimension)
        start: str | None = None
        while self._is_building.is_set():
            points = self.scroll_points(_BATCH, start, FIELDS)
            table.upsert(points)
            if len(points) < _BATCH:
                break
            start = points[-1][0]
        with self._writing:
            changed = sorted(self._changed)
            for place in range(0, len(changed), _BATCH):
                self._repeat(table, changed[place : place + _BATCH])
            if not self._is_building.is_set():
                return None
            if table.size != super().size():
                return f"it has {table.size} points, the index {super().size()}"
            self._use(table)
            return None

    def _use(self, table: SearchTable | None) -> None:
        self._table = table
        self.look_cost = EdgeIndex.look_cost if table is None else _LOOK_COST

    def _repeat(self, table: SearchTable, ids: Sequence[str]) -> None:
        """Take over points that changed while the table was built."""
        vectors, fields = self.retrieve_points(ids), self.retrieve(ids, FIELDS)
        table.upsert([(point, vectors[point][0], fields[point]) for point in ids if point in vectors])
        table.delete([point for point in ids if point not in vectors])

    def _answer(self, from_table: Callable[[SearchTable], _Answer], from_engine: Callable[[], _Answer]) -> _Answer:
        table = self._table
        if table is None:
            self._start_building()
            return from_engine()
        try:
            return from_table(table)
        except Unsupported:
            return from_engine()

    def _start_building(self) -> None:
        if self._is_building.is_set() or self._failed_at == self.generation() or super().size() < self._table_from:
            return
        with self._writing:
            if self._is_building.is_set() or self._table is not None:
                return
            self._is_building.set()
            self._builder = threading.Thread(target=self._build, name="search-table", daemon=True)
            self._builder.start()

    def _follow(self, ids: Sequence[str] | dict[str, Payload], write: Callable[[SearchTable], None]) -> None:
        """Repeat a write in the table, or note the ids for the table that is being built."""
        if self._is_building.is_set():
            self._changed.update(ids)
        table = self._table
        if table is not None:
            try:
                write(table)
            except OSError as error:
                self._failed_at = self.generation()
                self._use(None)
                log.warning("%s: no search table any more (%s); filters are slower", self._path.parent, error)
