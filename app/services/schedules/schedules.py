"""Schedules: store, read and tick. A tick submits syncs; the queue runs them.

Any number of processes may tick. The id of a scheduled job is derived from the collection and its due time, so two processes
submit the same job; and ticks write another document than users do.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from app.domain.jobs import ACTIVE, Job, new_job
from app.domain.naming.ids import NAMESPACE
from app.domain.scheduling.cron import Cron
from app.domain.scheduling.schedules import OnVanished, Schedule, ScheduleState, Skipped, Source
from app.errors import Busy, Conflict, DyadError, NotFound
from app.ports import Blobs, JobQueue, JobStore, Locks
from app.services.catalogue.collections import CollectionService
from app.services.ingest.incoming.read_policy import ReadPolicy
from app.services.schedules.schedule_store import ScheduleStore
from app.services.schedules.source_listing import check_sources
from app.services.schedules.sync import KIND, SyncInputs

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ScheduleInfo:
    """A schedule, the state of its runs, its next due time (None: paused), and its newest job if that still exists."""

    schedule: Schedule
    state: ScheduleState
    next_run: datetime | None
    last_job: Job | None


class ScheduleService:
    """The schedules of collections, at most one per collection."""

    def __init__(
        self,
        *,
        collections: CollectionService,
        jobs: JobStore,
        queue: JobQueue,
        blobs: Blobs,
        read_policy: ReadPolicy,
        locks: Locks,
    ) -> None:
        self._collections = collections
        self._jobs = jobs
        self._queue = queue
        self._store = ScheduleStore(blobs)
        self._read_policy = read_policy
        self._locks = locks

    def put(
        self,
        collection_id: str,
        *,
        cron: str,
        sources: Sequence[str | Source],
        on_vanished: OnVanished = "keep",
        timezone: str = "UTC",
        paused: bool = False,
        now: datetime | None = None,
    ) -> ScheduleInfo:
        """Create or replace the schedule of a collection. An active run continues with the schedule that it started with.

        now: the current time, the system's by default. For the other arguments see `Schedule`.

        Raises:
            NotFound: the collection. Unprocessable: the expression, the zone, a source. Forbidden: the read policy does not
            allow a source. InvalidInput: a source does not exist.
        """
        self._collections.get(collection_id)
        clock = Cron.parse(cron, timezone)
        check_sources(sources, self._read_policy)
        now = now or datetime.now(UTC)
        with self._locks.hold(_lock(collection_id)):
            before = self._store.schedule(collection_id)
            schedule = Schedule(
                collection=collection_id,
                cron=clock.expression,
                timezone=timezone,
                sources=tuple(sources),
                on_vanished=on_vanished,
                paused=paused,
                created=now if before is None else before.created,
                updated=now,
            )
            self._store.put_schedule(schedule)
        return self.get(collection_id)

    def get(self, collection_id: str) -> ScheduleInfo:
        """A collection's schedule.

        Raises:
            NotFound: no such collection, or it has none.
        """
        schedule = self._required(collection_id)
        state = self._store.state(schedule)
        since = min(state.since, datetime.now(UTC))
        return ScheduleInfo(
            schedule, state, None if schedule.paused else schedule.clock.next_after(since), self._known(state.last_job)
        )

    def delete(self, collection_id: str) -> None:
        """Delete a collection's schedule and dismiss its active run; the tiles stay.

        Raises:
            NotFound: no such collection, or it has none.
        """
        self._required(collection_id)
        with self._locks.hold(_lock(collection_id)):
            self._store.delete(collection_id)
            active = self._active(collection_id)
        if active is not None:
            self._queue.cancel(active.id)

    def submit(self, collection_id: str, accept_vanished: bool = False, force: bool = False) -> Job:
        """Submit a run now, also of a paused schedule. accept_vanished, force: see `SyncInputs`.

        Raises:
            NotFound: no such collection, or it has no schedule. Conflict: a run is active.
        """
        schedule = self._required(collection_id)
        with self._locks.hold(_lock(collection_id)):
            active = self._active(collection_id)
            if active is not None:
                raise Conflict(f"a run of this schedule, job {active.id}, is {active.status}; wait for it or dismiss it")
            job = _sync_job(schedule, accept_vanished=accept_vanished, force=force)
            self._queue.submit(job)
            self._note(self._store.state(schedule), schedule, job)
        return job

    def tick(self, now: datetime) -> list[Job]:
        """Submit a sync for each schedule that is due at `now` (aware); return the jobs.

        One run covers all due times that were missed because the clock jumped or the service was down. A due time at which a
        run is still active is skipped and recorded. An error of one schedule is logged and does not affect the others.
        """
        submitted = []
        for collection_id in self._store.owners():
            try:
                with self._locks.hold(_lock(collection_id), 0):
                    job = self._tick(collection_id, now)
            except Busy:
                continue  # another process ticks this schedule
            except (DyadError, ValidationError) as error:
                log.error("schedule of collection %s: %s", collection_id, error)
                continue
            if job is not None:
                submitted.append(job)
        return submitted

    def _tick(self, collection_id: str, now: datetime) -> Job | None:
        schedule = self._store.schedule(collection_id)
        if schedule is None or schedule.paused or not self._has_collection(collection_id):
            return None
        state = self._store.state(schedule)
        since = min(state.since, now)
        due = schedule.clock.next_after(since)
        if due is None or due > now:
            if since != state.since:
                log.warning("the clock was set back: the schedule of collection %s is due at %s", collection_id, due)
                self._store.put_state(collection_id, state.model_copy(update={"since": since}))
            return None
        job = _sync_job(schedule, job_id=_due_id(collection_id, due), created=now)
        active = self._active(collection_id)
        if active is not None and active.id != job.id:
            log.warning("sync of %s due at %s is skipped: job %s is still %s", collection_id, due, active.id, active.status)
            skipped = Skipped(due=due, job=active.id)
            self._store.put_state(collection_id, state.model_copy(update={"since": now, "skipped": skipped}))
            return None
        return self._submit_due(schedule, state, job, due)

    def _submit_due(self, schedule: Schedule, state: ScheduleState, job: Job, due: datetime) -> Job | None:
        """Submit the job of a due time, unless it was submitted already (by another process, or before a crash)."""
        try:
            self._queue.submit(job)
        except Conflict:
            known = self._jobs.get(job.id)
            since = min(max(known.created, due), job.created)
            self._note(state.model_copy(update={"since": since}), schedule, known)
            return None
        self._note(state.model_copy(update={"since": job.created}), schedule, job)
        return job

    def _note(self, state: ScheduleState, schedule: Schedule, job: Job) -> None:
        changed = state.model_copy(update={"last_run": job.created, "last_job": job.id})
        self._store.put_state(schedule.collection, changed)

    def _required(self, collection_id: str) -> Schedule:
        self._collections.get(collection_id)
        schedule = self._store.schedule(collection_id)
        if schedule is None:
            raise NotFound(
                f"collection {collection_id!r} has no schedule; create one with PUT /collections/{collection_id}/schedule"
            )
        return schedule

    def _has_collection(self, collection_id: str) -> bool:
        try:
            self._collections.get(collection_id)
        except NotFound:
            return False
        return True

    def _active(self, collection_id: str) -> Job | None:
        jobs = self._jobs.list(collection=collection_id, status=ACTIVE, limit=1000)
        return next((job for job in jobs if job.kind == KIND), None)

    def _known(self, job_id: str | None) -> Job | None:
        if job_id is None:
            return None
        try:
            return self._jobs.get(job_id)
        except NotFound:
            return None


def _lock(collection_id: str) -> str:
    return f"schedule:{collection_id}"


def _due_id(collection_id: str, due: datetime) -> str:
    return str(uuid.uuid5(NAMESPACE, "\x1f".join((KIND, collection_id, due.isoformat()))))


def _sync_job(schedule: Schedule, *, job_id: str | None = None, created: datetime | None = None, **wishes: bool) -> Job:
    inputs = SyncInputs(sources=schedule.sources, on_vanished=schedule.on_vanished, **wishes)
    fields = inputs.model_dump(mode="json", exclude_defaults=True)
    return new_job(KIND, schedule.collection, fields, job_id=job_id, created=created)
