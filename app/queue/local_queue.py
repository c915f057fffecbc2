"""The embedded job queue: worker threads over the job store. Jobs that a killed process ran continue at the next start."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from app.domain.jobs import ACTIVE, Job, JobStatus
from app.errors import DyadError
from app.ports import Cancelled, Interrupted, JobHandler, JobStore
from app.queue.job_run import WAITING, StoreContext, outcome, settle

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
STOP_SECONDS = 30.0


class _Lane:
    """A thread and the kinds of jobs that it runs."""

    def __init__(self, name: str, handlers: Mapping[str, JobHandler], loop: Callable[[_Lane], None]) -> None:
        self.handlers = handlers
        self.wake = threading.Event()
        self.thread = threading.Thread(target=loop, args=(self,), name=f"dyad-{name}")


class LocalQueue:
    """Runs jobs in lanes. Each lane is a thread that runs the jobs of its kinds one after another.

    on_end: called with the id of a job after its end is stored.
    """

    def __init__(self, store: JobStore, on_end: Callable[[str], None] | None = None) -> None:
        self._store = store
        self._on_end = on_end
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._running: dict[str, threading.Event] = {}
        self._idle = threading.Condition(self._lock)
        self._lanes: list[_Lane] = []

    def start(self, lanes: Mapping[str, Mapping[str, JobHandler]]) -> None:
        """Queue jobs again that a killed process ran, then start the lanes.

        lanes: handlers by job kind, by name of the lane. Jobs of other kinds are not run.
        """
        for job in self._store.list(status=(JobStatus.RUNNING,), limit=1000):
            log.warning("job %s was interrupted and is queued again", job.id)
            self._store.update(job.id, status=JobStatus.ACCEPTED, message=WAITING)
        self._lanes = [_Lane(name, handlers, self._loop) for name, handlers in lanes.items() if handlers]
        for lane in self._lanes:
            lane.thread.start()

    def submit(self, job: Job) -> None:
        """Store the job and wake its lane."""
        self._store.create(job)
        for lane in self._lanes:
            if job.kind in lane.handlers:
                lane.wake.set()

    def cancel(self, job_id: str) -> Job:
        """Dismiss a job that has not ended."""
        self._store.update(job_id, only_if=ACTIVE, status=JobStatus.DISMISSED, message="dismissed", finished=datetime.now(UTC))
        with self._lock:
            if job_id in self._running:
                self._running[job_id].set()
        return self._store.get(job_id)

    def wait(self, job_id: str, seconds: float) -> bool:
        """Wait until no lane runs the job."""
        with self._idle:
            return self._idle.wait_for(lambda: job_id not in self._running, seconds)

    def close(self) -> None:
        """Stop after the current tile; running jobs are queued again."""
        self._stopping.set()
        deadline = time.monotonic() + STOP_SECONDS
        for lane in self._lanes:
            lane.wake.set()
        for lane in self._lanes:
            if lane.thread.is_alive():
                lane.thread.join(max(0.0, deadline - time.monotonic()))

    def _check(self, cancelled: threading.Event) -> None:
        if cancelled.is_set():
            raise Cancelled("dismissed")
        if self._stopping.is_set():
            raise Interrupted

    def _loop(self, lane: _Lane) -> None:
        while not self._stopping.is_set():
            lane.wake.clear()
            try:
                job = self._store.claim(tuple(lane.handlers))
            except DyadError as error:
                log.error("the job store does not answer: %s", error)
                job = None
            if job is None:
                lane.wake.wait(IDLE_SECONDS)
            else:
                self._run(job, lane.handlers[job.kind])

    def _run(self, job: Job, handler: JobHandler) -> None:
        cancelled = threading.Event()
        with self._lock:
            self._running[job.id] = cancelled
        try:
            now: Job | None = self._store.get(job.id)
            if now is not None and now.status is JobStatus.RUNNING:  # else dismissed between the claim and the line above
                changes = outcome(handler, StoreContext(job, self._store, lambda: self._check(cancelled)))
                now = settle(self._store, job.id, changes)
            if self._on_end is not None and (now is None or now.status.ended):
                self._on_end(job.id)
        except DyadError as error:
            log.error("the end of job %s could not be stored: %s", job.id, error)
        finally:
            with self._idle:
                del self._running[job.id]
                self._idle.notify_all()
