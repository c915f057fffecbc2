"""The indexes of collections: made, finished, kept, dropped, each with a record, so that a half-built one is never served.

A record is written before its index is made and deleted after it is dropped. An index is whole if it is live or its record says
when it was built; whatever else a crash leaves is dropped at the next start, unless its job goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from app.domain.indexes import IndexRecord, Live
from app.errors import NotFound
from app.ports import Blobs, VectorStore

RECORDS = "indexes/"
KEPT = 2
"""Indexes that are kept beside the live one, to go back to."""


class Indexes:
    """The indexes and their records."""

    def __init__(self, vectors: VectorStore, blobs: Blobs) -> None:
        self._vectors = vectors
        self._blobs = blobs

    def begin(self, collection_id: str, model: str, job: str | None = None) -> str:
        """The name of an index to be made: of the one that the job has begun already, else a new one."""
        begun = next((record for record in self._records(collection_id) if job is not None and record.job == job), None)
        index = begun.index if begun is not None else self._fresh(collection_id, model)
        if begun is None:
            self._write(IndexRecord(index=index, job=job))
        return index

    def finish(self, index: str, outcome: dict[str, Any] | None = None) -> None:
        """Note that an index is whole, and durable."""
        self._vectors.flush(index)
        record = self.record(index) or IndexRecord(index=index)
        size = self._vectors.stats(index).size
        changes = {"built_at": datetime.now(UTC), "size": size, "outcome": outcome}
        self._write(record.model_copy(update=changes))

    def retire(self, index: str, built_at: datetime) -> None:
        """Note an index's size when it stops being live. built_at: for one from before there were records."""
        record = self.record(index) or IndexRecord(index=index)
        changes = {"built_at": record.built_at or built_at, "size": self._vectors.stats(index).size}
        self._write(record.model_copy(update=changes))

    def drop(self, index: str) -> None:
        """Remove an index and its record; nothing happens if there is none."""
        self._vectors.drop_index(index)
        self._blobs.delete([_key(index)])

    def record(self, index: str) -> IndexRecord | None:
        """What is known of an index."""
        try:
            return IndexRecord.model_validate_json(self._blobs.get(_key(index)))
        except NotFound:
            return None

    def whole(self, collection_id: str) -> list[IndexRecord]:
        """Indexes of a collection that are whole, the newest first; of the live one only if it has a record."""
        there = set(self._vectors.indexes())
        records = [record for record in self._records(collection_id) if record.built_at and record.index in there]
        return sorted(records, key=lambda record: (record.built_at, record.index), reverse=True)

    def prune(self, collection_id: str, live: str) -> None:
        """Drop all whole indexes but the live one and the `KEPT` newest others."""
        others = [record.index for record in self.whole(collection_id) if record.index != live]
        for index in others[KEPT:]:
            self.drop(index)

    def sweep(self, is_waiting: Callable[[str], bool]) -> None:
        """Drop all strays."""
        for index in self.strays(is_waiting):
            self.drop(index)

    def strays(self, is_waiting: Callable[[str], bool]) -> list[str]:
        """What is neither live nor whole nor being built by a job that goes on, and records of what is not there.

        is_waiting: whether the job of an id goes on.
        """
        live = set(self._vectors.aliases().values())
        there = set(self._vectors.indexes())
        records = {record.index: record for record in self._records()}
        found = []
        for index in sorted(there | records.keys()):
            record = records.get(index)
            is_whole = record is not None and record.built_at is not None and index in there
            is_begun = record is not None and is_waiting(record.job or "")
            if index not in live and not is_whole and not is_begun:
                found.append(index)
        return found

    def forget(self, collection_id: str) -> None:
        """Drop all indexes of a collection."""
        for index in self._vectors.indexes():
            if index.startswith(f"{collection_id}."):
                self._vectors.drop_index(index)
        self._blobs.delete_prefix(f"{RECORDS}{collection_id}/")

    def _fresh(self, collection_id: str, model: str) -> str:
        prefix = f"{collection_id}.{model}."
        known = [*self._vectors.indexes(), *(record.index for record in self._records(collection_id))]
        taken = [int(name.removeprefix(prefix)) for name in known if name.rpartition(".")[0] + "." == prefix]
        return f"{prefix}{max(taken, default=0) + 1}"

    def _records(self, collection_id: str | None = None) -> Iterator[IndexRecord]:
        prefix = RECORDS if collection_id is None else f"{RECORDS}{collection_id}/"
        for key in sorted(self._blobs.keys(prefix)):
            collection, name = key.removeprefix(RECORDS).removesuffix(".json").split("/", 1)
            record = self.record(f"{collection}.{name}")
            if record is not None:
                yield record

    def _write(self, record: IndexRecord) -> None:
        self._blobs.put(_key(record.index), record.model_dump_json().encode())


def _key(index: str) -> str:
    return f"{RECORDS}{index.split('.', 1)[0]}/{Live.of(index).version}.json"
