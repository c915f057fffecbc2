"""Garbage collection: what killed processes left in the stores.

A single process deletes all garbage when it starts, before it accepts work. In a cluster other processes are always at work, so
a worker looks every hour and deletes an index or the data of a collection only if it has been garbage for a day. An image is
deleted if it was last written more than a day ago, no tile refers to it, and its collection has no active job.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from pydantic import BaseModel, ConfigDict

from app.domain.jobs import ACTIVE
from app.errors import Busy, NotFound
from app.ports import Blobs, JobStore, Locks, VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.images import images_prefix
from app.services.catalogue.indexes import Indexes
from app.services.jobs.jobs import JobService
from app.services.maintenance.unreferenced_images import find_unreferenced_images

log = logging.getLogger(__name__)

NOTES = "maintenance/leftovers.json"
LOCK = "leftovers"
AGE = timedelta(days=1)
BUCKETS = 256
"""Number of folders of a collection's images: one for each value of the first two hexadecimal digits of a tile's id."""
BUCKETS_AT_ONCE = 11
"""Buckets per pass, so that an hourly pass visits all of them within a day."""
SECONDS = 60.0
"""Time limit of a pass, after which no further bucket is begun."""


class Notes(BaseModel):
    """Stored between passes. seen: when each piece of garbage was first found. bucket: the image bucket to visit next."""

    model_config = ConfigDict(frozen=True)

    seen: dict[str, datetime] = {}
    bucket: int = 0


class GarbageCollector:
    """Finds and deletes garbage. Any number of processes may collect; a lock lets one of them run at a time."""

    def __init__(
        self,
        *,
        collections: CollectionService,
        indexes: Indexes,
        jobs: JobService,
        job_store: JobStore,
        vectors: VectorStore,
        blobs: Blobs,
        locks: Locks,
    ) -> None:
        self._collections = collections
        self._indexes = indexes
        self._jobs = jobs
        self._job_store = job_store
        self._vectors = vectors
        self._blobs = blobs
        self._locks = locks

    def collect_at_start(self) -> None:
        """Delete all garbage but images. Only for a single process, before it accepts work.

        Raises:
            Unavailable: a store does not answer.
        """
        for name in self._collections.garbage():
            self._collections.delete_garbage(name)
        for index in self._indexes.garbage(self._jobs.is_active):
            self._indexes.drop(index)
        self._jobs.delete_unused_folders()

    def collect(self, now: datetime) -> int:
        """Make one pass while other processes work; return how many collections, indexes and images were deleted.

        Raises:
            Unavailable: a store does not answer; nothing that is in use was deleted.
        """
        try:
            with self._locks.hold(LOCK, 0):
                return self._collect(now)
        except Busy:
            return 0

    def _collect(self, now: datetime) -> int:
        notes = self._notes()
        deletions: dict[str, Callable[[], None]] = {}
        for name in self._collections.garbage():
            deletions[f"collection/{name}"] = partial(self._collections.delete_garbage, name)
        for index in self._indexes.garbage(self._jobs.is_active):
            deletions[f"index/{index}"] = partial(self._indexes.drop, index)
        seen = {name: min(notes.seen.get(name, now), now) for name in deletions}
        due = [name for name, since in seen.items() if now - since > AGE]
        for name in due:
            log.warning("%s is deleted: it has been garbage for a day", name)
            deletions[name]()
            del seen[name]
        self._jobs.delete_unused_folders()
        images, bucket = self._collect_images(now - AGE, notes.bucket)
        self._blobs.put(NOTES, Notes(seen=seen, bucket=bucket).model_dump_json().encode())
        return len(due) + images

    def _notes(self) -> Notes:
        try:
            return Notes.model_validate_json(self._blobs.get(NOTES))
        except (NotFound, ValueError):
            return Notes()

    def _collect_images(self, before: datetime, bucket: int) -> tuple[int, int]:
        """Visit some buckets of all collections; return how many images were deleted, and the next bucket."""
        count, deadline = 0, time.monotonic() + SECONDS
        if bucket == 0:
            self._blobs.delete_incomplete(before)
        for _ in range(BUCKETS_AT_ONCE):
            for collection_id in self._collections.ids():
                count += self._collect_bucket(collection_id, f"{images_prefix(collection_id)}{bucket:02x}/", before)
            bucket = (bucket + 1) % BUCKETS
            if bucket == 0 or time.monotonic() > deadline:
                break
        return count, bucket

    def _collect_bucket(self, collection_id: str, prefix: str, before: datetime) -> int:
        if self._has_active_job(collection_id):
            return 0
        try:
            index = self._collections.live(collection_id).index
        except NotFound:  # the collection is being deleted
            return 0
        count = 0
        for unreferenced in find_unreferenced_images(self._vectors, index, self._blobs.keys(prefix, before)):
            if self._has_active_job(collection_id):  # a new job may index one of these files again
                break
            self._blobs.delete(unreferenced)
            count += len(unreferenced)
        if count:
            log.warning("collection %s: %d images without a tile are deleted", collection_id, count)
        return count

    def _has_active_job(self, collection_id: str) -> bool:
        return bool(self._job_store.list(collection=collection_id, status=ACTIVE, limit=1))
