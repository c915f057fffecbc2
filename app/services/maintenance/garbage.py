"""Garbage collection: what killed processes left in the stores, and own data that nothing refers to.

Only data with the mark of this installation is touched. A collection whose settings document is missing, and an index that is
not complete and that no known job builds, may be needed again: they are put into quarantine, which names them and changes
nothing, and are deleted after a grace period or by `dyad doctor --delete-quarantined`. The unfinished index of a job that has
ended is deleted at once. An image is deleted if it was last written more than a day ago, no tile refers to it, and its
collection has no active job.

A single process collects when it starts, without images; in a cluster a worker collects every hour.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict

from app.domain.jobs import ACTIVE
from app.errors import Busy, Damaged, NotFound
from app.ports import Blobs, JobStore, Locks, VectorStore
from app.services.catalogue.collection_store import document_key
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.deletions import Deletions
from app.services.catalogue.images import images_prefix
from app.services.catalogue.indexes import Indexes
from app.services.jobs.jobs import JobService
from app.services.maintenance.quarantine import Quarantine, Quarantined
from app.services.maintenance.unreferenced_images import find_unreferenced_images

log = logging.getLogger(__name__)

NOTES = "maintenance/leftovers.json"
LOCK = "leftovers"
AGE = timedelta(days=1)
"""Minimum age of an image that is deleted."""
BUCKETS = 256
"""Number of folders of a collection's images: one for each value of the first two hexadecimal digits of a tile's id."""
BUCKETS_AT_ONCE = 11
"""Buckets per pass, so that an hourly pass visits all of them within a day."""
SECONDS = 60.0
"""Time limit of a pass, after which no further bucket is begun."""


class Notes(BaseModel):
    """Stored between passes. bucket: the image bucket to visit next."""

    model_config = ConfigDict(frozen=True)

    bucket: int = 0


class GarbageCollector:
    """Finds and deletes garbage. Any number of processes may collect; a lock lets one of them run at a time.

    grace: time in quarantine before data is deleted.
    """

    def __init__(
        self,
        *,
        collections: CollectionService,
        deletions: Deletions,
        indexes: Indexes,
        jobs: JobService,
        job_store: JobStore,
        vectors: VectorStore,
        blobs: Blobs,
        locks: Locks,
        grace: timedelta,
    ) -> None:
        self._collections = collections
        self._deletions = deletions
        self._indexes = indexes
        self._jobs = jobs
        self._job_store = job_store
        self._vectors = vectors
        self._blobs = blobs
        self._locks = locks
        self._grace = grace
        self.quarantine = Quarantine(blobs)

    def collect_at_start(self) -> None:
        """Make one pass without images. Only for a single process, before it accepts work.

        Raises:
            Unavailable: a store does not answer.
        """
        self._collect_data(datetime.now(UTC))

    def delete_quarantined(self) -> list[Quarantined]:
        """Delete everything in quarantine now; return what was deleted.

        Raises:
            Unavailable: a store does not answer.
        """
        with self._locks.hold(LOCK):
            entries = self.refresh(datetime.now(UTC))
            for entry in entries:
                self._delete(entry, "by request")
            self.quarantine.update(())
            return list(entries)

    def refresh(self, now: datetime) -> tuple[Quarantined, ...]:
        """Bring the quarantine up to date; return its entries."""
        collections = sorted(self._deletions.garbage())
        found = [
            Quarantined(kind="collection", name=name, reason=f"{document_key(name)} is missing in the blob store", since=now)
            for name in collections
        ]
        for index in self._indexes.garbage(self._jobs.is_active):
            if index.split(".")[0] not in collections:
                reason = "it is not live, not complete, and no job builds it"
                found.append(Quarantined(kind="index", name=index, reason=reason, since=now))
        return self.quarantine.update(found)

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
        count = self._collect_data(now)
        images, bucket = self._collect_images(now - AGE, self._notes().bucket)
        self._blobs.put(NOTES, Notes(bucket=bucket).model_dump_json().encode())
        return count + images

    def _collect_data(self, now: datetime) -> int:
        """Delete the rest of interrupted work, and what has been in quarantine for too long; return the number of deletions."""
        self._deletions.finish_all()
        ended = [index for index in self._indexes.garbage(self._jobs.is_active) if self._has_ended(index)]
        for index in ended:
            log.warning("index %s is deleted: the job that built it has ended without completing it", index)
            self._indexes.drop(index)
        known = {entry.id for entry in self.quarantine.entries()}
        entries = self.refresh(now)
        for entry in entries:
            if entry.id not in known:
                log.warning("%s is in quarantine: %s; `dyad doctor` explains what to do", entry.id, entry.reason)
        due = [entry for entry in entries if now - entry.since > self._grace]
        for entry in due:
            self._delete(entry, f"it has been in quarantine since {entry.since:%Y-%m-%d}")
        if due:
            self.refresh(now)
        self._jobs.delete_unused_folders()
        return len(ended) + len(due)

    def _delete(self, entry: Quarantined, why: str) -> None:
        log.warning("%s is deleted (%s): %s", entry.id, entry.reason, why)
        if entry.kind == "collection":
            self._deletions.delete_garbage(entry.name)
        else:
            self._indexes.drop(entry.name)

    def _has_ended(self, index: str) -> bool:
        """Whether the job that builds an index is known and has ended."""
        record = self._indexes.record(index)
        if record is None or record.built_at is not None or record.job is None:
            return False
        try:
            return self._job_store.get(record.job).status.ended
        except NotFound:
            return False

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
        except (NotFound, Damaged):  # the collection is being deleted, or is set aside
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
