"""Runs one job in a worker of a cluster, under a lease, so that a message that is delivered twice is harmless."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

from app.cluster.celery.celery_queue import CeleryQueue, job_lock
from app.cluster.celery.journal import Journal
from app.domain.jobs import ACTIVE, Job, JobStatus
from app.domain.origin import coming_from
from app.errors import Busy, NotFound, OutOfSpace, SourceUnavailable, Unavailable
from app.ports import Cancelled, Held, Interrupted, JobContext, JobHandler, JobStore, Locks
from app.ports.stopping import stoppable
from app.queue.job_run import StoreContext, failed, outcome, put_back, settle
from app.telemetry.tracing import span

log = logging.getLogger(__name__)

CHECK_SECONDS = 0.5
"""Interval of checks whether a job was dismissed."""
HELD_SECONDS = 5.0
"""Delay of a new message for a job that another worker holds, which may be dead."""
MAX_TRIES = 8
"""How often a job is put back while a service is unavailable: about four minutes in total."""
LONGEST_PAUSE = 60.0


class Lost(Interrupted):
    """Another worker has taken the job; this one must not write its record."""


class ClusterRunner:
    """Runs jobs by the handlers of their kinds.

    on_end: called with the id of a job after its end is recorded. is_stopping: whether the process shuts down.
    """

    def __init__(
        self,
        store: JobStore,
        locks: Locks,
        queue: CeleryQueue,
        journal: Journal,
        handlers: Mapping[str, JobHandler],
        on_end: Callable[[str], None],
        is_stopping: Callable[[], bool],
    ) -> None:
        self._store = store
        self._locks = locks
        self._queue = queue
        self._journal = journal
        self._handlers = handlers
        self._on_end = on_end
        self._is_stopping = is_stopping

    def run(self, job_id: str, tries: int = 0) -> None:
        """Run a job to its end, or send a message to continue it later. tries: see `CeleryQueue.send`.

        Raises:
            Unavailable: its record cannot be read or written; reconciliation sends its message again.
        """
        again: _Again | None = None
        try:
            with self._locks.hold(job_lock(job_id), 0) as held:
                job = self._begin(job_id)
                again = None if job is None else self._run(job, held, tries)
        except Busy:
            with suppress(NotFound):
                again = _Again(self._store.get(job_id), HELD_SECONDS, tries)
        if again is not None:  # after the lock is released, or the next worker would find it locked
            self._queue.send(again.job, seconds=again.seconds, tries=again.tries)

    def help(self, job_id: str, work: Callable[[JobContext], None]) -> None:
        """Do a part of a job that another worker runs; that worker writes the record. Does nothing if the job has ended.

        Raises:
            Cancelled, Interrupted: the job or this process stops. DyadError: the part failed.
        """
        with suppress(NotFound):
            job = self._store.get(job_id)
            if job.status.ended:
                return
            request_id, parent = job.origin.get("request_id"), job.origin.get("traceparent")
            with (
                coming_from(request_id=request_id, job_id=job.id, traceparent=parent),
                span(f"help with {job.kind}", kind="CONSUMER", parent=parent, job_id=job.id, collection=job.collection),
            ):
                check = _Check(job_id, self._store, None, self._is_stopping)
                with stoppable(check):
                    work(StoreContext(job, self._store, check))

    def _begin(self, job_id: str) -> Job | None:
        """Mark the job as running; None if it has ended, after deleting its remains."""
        try:
            before = self._store.get(job_id)
            changes = {"attempts": before.attempts + 1, "started": before.started or datetime.now(UTC)}
            job = self._store.update(job_id, only_if=ACTIVE, status=JobStatus.RUNNING, **changes)
        except NotFound:
            job = None
        if job is None:
            self._clear(job_id)
        return job

    def _run(self, job: Job, held: Held, tries: int) -> _Again | None:
        handler = self._handlers.get(job.kind, _unknown)
        context = StoreContext(job, self._store, _Check(job.id, self._store, held, self._is_stopping))
        again: _Again | None = None
        try:
            changes = outcome(handler, context, () if tries >= MAX_TRIES else (Unavailable,))
        except (OutOfSpace, SourceUnavailable) as error:
            changes = failed(str(error))
        except Unavailable as error:
            again = _Again(job, min(LONGEST_PAUSE, 2.0**tries), tries + 1)
            log.warning("job %s is retried in %.0f s: %s", job.id, again.seconds, error)
            changes = put_back(job, f"waiting: {error}")
        if held.is_lost:
            return None
        now = settle(self._store, job.id, changes)
        if now is None or now.status.ended:
            self._clear(job.id)
            return None
        return again or _Again(now, 0, tries)

    def _clear(self, job_id: str) -> None:
        self._journal.strike(job_id)
        self._on_end(job_id)


class _Again(NamedTuple):
    """A message to send again after `seconds`."""

    job: Job
    seconds: float
    tries: int


class _Check:
    """Raises an exception if a job must stop; reads its record every `CHECK_SECONDS`."""

    def __init__(self, job_id: str, store: JobStore, held: Held | None, is_stopping: Callable[[], bool]) -> None:
        self._job_id = job_id
        self._store = store
        self._held = held
        self._is_stopping = is_stopping
        self._looked = 0.0

    def __call__(self) -> None:
        if self._held is not None and self._held.is_lost:
            raise Lost
        if self._is_stopping():
            raise Interrupted
        now = time.monotonic()
        if now - self._looked < CHECK_SECONDS:
            return
        self._looked = now
        try:
            status = self._store.get(self._job_id).status
        except NotFound:
            raise Cancelled("deleted") from None
        except Unavailable:
            return  # Redis is unavailable: the job continues
        if status is JobStatus.DISMISSED:
            raise Cancelled("dismissed")
        if status.ended:
            raise Lost


def _unknown(context: JobContext) -> dict[str, Any]:
    raise NotFound(f"this worker does not support jobs of the kind {context.job.kind!r}; upgrade the worker")
