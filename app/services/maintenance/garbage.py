"""What killed processes leave behind in a cluster, where none ever starts alone: found in passing, removed after a day.

Beat has somebody look every hour. What may still be somebody's is only noted; what has been nobody's for a day goes. An image
is as old as its last writing, and none of a collection goes while a job of it is active.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from app.domain.jobs import ACTIVE
from app.errors import Busy, NotFound
from app.ports import Blobs, JobStore, Locks, VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.images import images_prefix
from app.services.catalogue.indexes import Indexes
from app.services.maintenance.orphans import find_orphans

log = logging.getLogger(__name__)

NOTES = "maintenance/leftovers.json"
AGE = timedelta(days=1)
BUCKETS = 256
"""Folders of a collection's images, by the first two digits of a tile's id."""
BUCKETS_AT_ONCE = 11
"""In an hour: all of them within a day."""
SECONDS = 60.0
"""After which no further bucket is begun."""


class Notes(BaseModel):
    """seen: what seems to be nobody's, and since when. bucket: of images, to be looked through next."""

    model_config = ConfigDict(frozen=True)

    seen: dict[str, datetime] = {}
    bucket: int = 0


class GarbageCollector:
    """Any number of processes may look; they take turns. tidy: removes uploads of jobs that are no more."""

    def __init__(
        self,
        collections: CollectionService,
        indexes: Indexes,
        jobs: JobStore,
        vectors: VectorStore,
        blobs: Blobs,
        locks: Locks,
        tidy: Callable[[], None],
    ) -> None:
        self._collections = collections
        self._indexes = indexes
        self._jobs = jobs
        self._vectors = vectors
        self._blobs = blobs
        self._locks = locks
        self._tidy = tidy

    def run(self, now: datetime, is_waiting: Callable[[str], bool]) -> int:
        """Look once; how many things went. is_waiting: whether a job of this id goes on.

        Raises:
            Unavailable: a part is down; nothing that was in use is gone.
        """
        try:
            with self._locks.hold("leftovers", 0):
                return self._run(now, is_waiting)
        except Busy:
            return 0

    def _run(self, now: datetime, is_waiting: Callable[[str], bool]) -> int:
        notes = self._notes()
        removals: dict[str, Callable[[], None]] = {}
        for name in self._collections.strays():
            removals[f"collection/{name}"] = lambda name=name: self._collections.remove_stray(name)  # type: ignore[misc]
        for index in self._indexes.strays(is_waiting):
            removals[f"index/{index}"] = lambda index=index: self._indexes.drop(index)  # type: ignore[misc]
        seen = {name: min(notes.seen.get(name, now), now) for name in removals}
        due = [name for name, since in seen.items() if now - since > AGE]
        for name in due:
            log.warning("%s has been nobody's for a day, and is removed", name)
            removals[name]()
            del seen[name]
        self._tidy()
        images, bucket = self._sweep_images(now - AGE, notes.bucket)
        self._blobs.put(NOTES, Notes(seen=seen, bucket=bucket).model_dump_json().encode())
        return len(due) + images

    def _notes(self) -> Notes:
        try:
            return Notes.model_validate_json(self._blobs.get(NOTES))
        except (NotFound, ValueError):
            return Notes()

    def _sweep_images(self, before: datetime, bucket: int) -> tuple[int, int]:
        """Some buckets of all collections; how many images went, and the next bucket."""
        count, deadline = 0, time.monotonic() + SECONDS
        if bucket == 0:
            self._blobs.tidy(before)
        for _ in range(BUCKETS_AT_ONCE):
            for collection_id in self._collections.ids():
                count += self._sweep_bucket(collection_id, f"{images_prefix(collection_id)}{bucket:02x}/", before)
            bucket = (bucket + 1) % BUCKETS
            if bucket == 0 or time.monotonic() > deadline:
                break
        return count, bucket

    def _sweep_bucket(self, collection_id: str, prefix: str, before: datetime) -> int:
        if self._is_busy(collection_id):
            return 0
        try:
            index = self._collections.live(collection_id).index
        except NotFound:  # it is being deleted
            return 0
        count = 0
        for orphans in find_orphans(self._vectors, index, self._blobs.keys(prefix, before)):
            if self._is_busy(collection_id):  # since: it may index one of these files again
                break
            self._blobs.delete(orphans)
            count += len(orphans)
        if count:
            log.warning("%d images of %s that no tile names are removed", count, collection_id)
        return count

    def _is_busy(self, collection_id: str) -> bool:
        return bool(self._jobs.list(collection=collection_id, status=ACTIVE, limit=1))
