"""The indexes of collections. Each has a record, so that an unfinished index is never used for searches.

The record is written before its index is created and deleted after the index is dropped. An index is complete if it is live or
its record has a build time. Any other index is garbage, unless an active job builds it. Only indexes with the mark of this
installation are ever garbage.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from app.domain.indexes import IndexRecord, Live
from app.errors import NotFound
from app.ports import Blobs, VectorStore

log = logging.getLogger(__name__)

RECORDS = "indexes/"
KEPT = 2
"""Number of previous indexes that are kept for a rollback."""


class Indexes:
    """Names, records and removal of the indexes of all collections.

    installation: returns the id that own indexes carry; raises if it cannot be established.
    """

    def __init__(self, vectors: VectorStore, blobs: Blobs, installation: Callable[[], str] = str) -> None:
        self._vectors = vectors
        self._blobs = blobs
        self._installation = installation

    def begin(self, collection_id: str, model: str, job: str | None = None) -> str:
        """Return the name of an index to be built: the one that the job has begun already, else a new one."""
        self._installation()
        begun = next((record for record in self._records(collection_id) if job is not None and record.job == job), None)
        index = begun.index if begun is not None else self._new_name(collection_id, model)
        if begun is None:
            self._write(IndexRecord(index=index, job=job))
        return index

    def finish(self, index: str, outcome: dict[str, Any] | None = None) -> None:
        """Flush an index and record that it is complete. outcome: result of the job that built it."""
        self._vectors.flush(index)
        record = self.record(index) or IndexRecord(index=index)
        size = self._vectors.stats(index).size
        changes = {"built_at": datetime.now(UTC), "size": size, "outcome": outcome}
        self._write(record.model_copy(update=changes))

    def retire(self, index: str, built_at: datetime) -> None:
        """Record the size of an index that stops being live. built_at: used where the index has no record (older versions)."""
        record = self.record(index) or IndexRecord(index=index)
        changes = {"built_at": record.built_at or built_at, "size": self._vectors.stats(index).size}
        self._write(record.model_copy(update=changes))

    def accept(self, index: str) -> None:
        """Record that a person chose an index; it is not a candidate any more."""
        record = self.record(index)
        if record is not None and record.is_candidate:
            self._write(record.model_copy(update={"outcome": {**(record.outcome or {}), "switched": True}}))

    def drop(self, index: str) -> None:
        """Drop an index and delete its record; nothing happens if it does not exist."""
        self._vectors.drop_index(index)
        self._blobs.delete([_key(index)])

    def record(self, index: str) -> IndexRecord | None:
        """The record of an index, None without a readable one."""
        try:
            return IndexRecord.model_validate_json(self._blobs.get(_key(index)))
        except NotFound:
            return None
        except ValidationError:
            log.error("%s in the blob store is damaged; run `dyad doctor --repair`", _key(index))
            return None

    def owned(self) -> set[str]:
        """Names of the indexes that carry the mark of this installation."""
        own = self._installation()
        return {index for index, owner in self._vectors.owners().items() if owner == own}

    def damaged_records(self) -> dict[str, str]:
        """Keys of the records that cannot be read, by index."""
        found = {}
        for key in self._blobs.keys(RECORDS):
            index = _index_of(key)
            if self.record(index) is None and self._blobs.exists(key):
                found[index] = key
        return found

    def rewrite(self, index: str) -> None:
        """Replace the damaged record of a complete index."""
        self._blobs.delete([_key(index)])
        self.retire(index, datetime.now(UTC))

    def whole(self, collection_id: str) -> list[IndexRecord]:
        """Records of the complete indexes of a collection, newest first; the live one is included only if it has a record."""
        existing = set(self._vectors.indexes())
        records = [record for record in self._records(collection_id) if record.built_at and record.index in existing]
        return sorted(records, key=lambda record: (record.built_at, record.index), reverse=True)

    def drop_old(self, collection_id: str, live: str) -> None:
        """Drop all complete indexes of a collection except the live one, the `KEPT` newest previous ones, and the newest
        candidate.
        """
        others = [record for record in self.whole(collection_id) if record.index != live]
        previous = [record for record in others if not record.is_candidate]
        candidates = [record for record in others if record.is_candidate]
        for record in (*previous[KEPT:], *candidates[1:]):
            self.drop(record.index)

    def garbage(self, is_active: Callable[[str], bool]) -> list[str]:
        """Names of indexes that are not live, not complete and not built by an active job, and of records without an index.

        is_active: whether the job with an id exists and has not ended.
        """
        live = set(self._vectors.aliases().values())
        existing, owned = set(self._vectors.indexes()), self.owned()
        records = {record.index: record for record in self._records()}
        found = []
        for index in sorted(owned | (records.keys() - existing)):
            record = records.get(index)
            is_whole = record is not None and record.built_at is not None and index in existing
            is_begun = record is not None and is_active(record.job or "")
            if index not in live and not is_whole and not is_begun:
                found.append(index)
        return found

    def drop_all(self, collection_id: str) -> None:
        """Drop all indexes of a collection and delete their records."""
        for index in sorted(self.owned()):
            if index.startswith(f"{collection_id}."):
                self._vectors.drop_index(index)
        self._blobs.delete_prefix(f"{RECORDS}{collection_id}/")

    def _new_name(self, collection_id: str, model: str) -> str:
        prefix = f"{collection_id}.{model}."
        known = [*self._vectors.indexes(), *(record.index for record in self._records(collection_id))]
        taken = [int(name.removeprefix(prefix)) for name in known if name.rpartition(".")[0] + "." == prefix]
        return f"{prefix}{max(taken, default=0) + 1}"

    def _records(self, collection_id: str | None = None) -> Iterator[IndexRecord]:
        prefix = RECORDS if collection_id is None else f"{RECORDS}{collection_id}/"
        for key in sorted(self._blobs.keys(prefix)):
            record = self.record(_index_of(key))
            if record is not None:
                yield record

    def _write(self, record: IndexRecord) -> None:
        self._blobs.put(_key(record.index), record.model_dump_json().encode())


def _index_of(key: str) -> str:
    return key.removeprefix(RECORDS).removesuffix(".json").replace("/", ".", 1)


def _key(index: str) -> str:
    return f"{RECORDS}{index.split('.', 1)[0]}/{Live.of(index).version}.json"
