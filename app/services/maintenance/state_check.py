"""Finds damaged and unreferenced data, without reading tiles."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.errors import Damaged, DyadError, NotFound
from app.ports import Blobs, VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.indexes import Indexes
from app.services.maintenance.quarantine import Quarantine


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. part: what it concerns (`collection ucm`, `jobs`). problem: what is wrong, and the cure.

    collection: id of the collection that is set aside because of it, None if all collections are served.
    """

    part: str
    problem: str
    collection: str | None = None


class StateCheck:
    """Checks the stored state.

    documents: key prefixes of further documents, each with a function that raises `ValueError` for damaged content.
    notes: returns lines about other parts (the jobs).
    """

    def __init__(
        self,
        *,
        collections: CollectionService,
        indexes: Indexes,
        vectors: VectorStore,
        blobs: Blobs,
        documents: Mapping[str, Callable[[bytes], object]],
        notes: Callable[[], list[str]],
    ) -> None:
        self._collections = collections
        self._indexes = indexes
        self._vectors = vectors
        self._blobs = blobs
        self._documents = documents
        self._notes = notes
        self._quarantine = Quarantine(blobs)
        self._lock = threading.Lock()
        self._last: tuple[float, list[Finding]] | None = None

    def recent(self, seconds: float) -> list[Finding]:
        """The findings of a check that is at most so old; none while a store does not answer."""
        with self._lock:
            if self._last is None or time.monotonic() - self._last[0] > seconds:
                try:
                    found = self.run()
                except DyadError:
                    return []
                self._last = (time.monotonic(), found)
            return [*self._disk(), *self._last[1]]

    def run(self) -> list[Finding]:
        """All findings but that of the disk.

        Raises:
            Unavailable: a store does not answer.
        """
        found = [Finding("vectors", line) for line in self._vectors.damage()]
        found += [Finding("jobs", line) for line in self._notes()]
        for collection_id in self._collections.ids():
            problem = self._problem(collection_id)
            if problem is not None:
                found.append(Finding(f"collection {collection_id}", problem, collection_id))
        for index, key in self._indexes.damaged_records().items():
            found.append(Finding(f"index {index}", f"{key} in the blob store is damaged; run `dyad doctor --repair`"))
        for prefix, parse in self._documents.items():
            found += [
                Finding(f"document {key}", f"{key} in the blob store is damaged; delete the file or restore it from a backup")
                for key in self._blobs.keys(prefix)
                if not self._is_readable(key, parse)
            ]
        for entry in self._quarantine.entries():
            cure = "restore what is missing, or run `dyad doctor --repair` or `dyad doctor --delete-quarantined`"
            since = f"in quarantine since {entry.since:%Y-%m-%d %H:%M}"
            found.append(Finding(f"{entry.kind} {entry.name}", f"{since}: {entry.reason}; {cure}"))
        return found

    def all(self) -> list[Finding]:
        """All findings; see `run`."""
        return [*self._disk(), *self.run()]

    def _problem(self, collection_id: str) -> str | None:
        try:
            self._collections.get(collection_id)
            self._vectors.check(self._collections.live(collection_id).index)
        except (Damaged, NotFound) as error:
            return str(error) if self._collections.exists(collection_id) else None
        return None

    def _is_readable(self, key: str, parse: Callable[[bytes], object]) -> bool:
        try:
            parse(self._blobs.get(key))
        except NotFound:  # deleted since it was listed
            return True
        except (ValueError, OSError, KeyError):
            return False
        return True

    def _disk(self) -> list[Finding]:
        refused = self._vectors.refuses_writes()
        return [] if refused is None else [Finding("disk", f"writes are refused, searches and deletions work: {refused}")]
