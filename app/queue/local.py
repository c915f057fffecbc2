"""The embedded job queue: worker threads over the job store. What runs when the process dies goes on at its next start."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from app.domain.jobs import ACTIVE, Job, JobStatus
from app.errors import Cancelled, DyadError
from app.ports import Interrupted, JobHandler, JobStore

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
IDLE_SECONDS = 1.0
PROGRESS_SECONDS = 0.2
STOP_SECONDS = 30.0
WAITING = "interrupted; waiting to go on"


class LocalContext:
    """The `JobContext` of a job that runs in this process."""

    def __init__(self, job: Job, store: JobStore, stopping: threading.Event, cancelled: threading.Event) -> None:
        self.job = job
        self._store = store
        self._stopping = stopping
        self._cancelled = cancelled
        self._published = 0.0
        self._gets_on = False

    def progress(self, percent: float, message: str = "", counts: Mapping[str, int] | None = None) -> None:
        """Write progress to the store, at most every `PROGRESS_SECONDS`."""
        now = time.monotonic()
        if now - self._published < PROGRESS_SECONDS and percent < 100:
            return
        self._published = now
        changes: dict[str, Any] = {"progress": round(min(max(percent, 0.0), 100.0), 2), "message": message}
        if counts is not None:
            changes["counts"] = dict(counts)
        self._store.update(self.job.id, only_if=(JobStatus.RUNNING,), **changes)

    def add_items(self, item_ids: Sequence[str]) -> None:
        """Report tiles as done; a run that does so gets on."""
        self._store.add_items(self.job.id, item_ids)
        if item_ids:
            self.gets_on()

    def gets_on(self) -> None:
        """Forgive the crashes before this run, once."""
        if not self._gets_on:
            self._gets_on = True
            self._store.update(self.job.id, attempts=1)

    def check(self) -> None:
        """Raise `Cancelled` or `Interrupted` where the job should stop."""
        if self._cancelled.is_set():
            raise Cancelled("dismissed")
        if self._stopping.is_set():
            raise Interrupted


class _Lane:
    """A thread and the kinds of jobs that it does."""

    def __init__(self, name: str, handlers: Mapping[str, JobHandler], loop: Callable[[_Lane], None]) -> None:
        self.handlers = handlers
        self.wake = threading.Event()
        self.thread = threading.Thread(target=loop, args=(self,), name=f"dyad-{name}")


class LocalQueue:
    """Runs jobs in lanes, each a thread of this process that does its kinds of jobs one after another.

    on_end: called with the id of a job that has ended, when its end is on record.
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
        """Put back what a dead process left running, then begin to work.

        lanes: handlers by job kind, by the lane's name. Jobs of kinds that no lane knows wait.
        """
        for job in self._store.list(status=(JobStatus.RUNNING,), limit=1000):
            log.warning("job %s was interrupted; it goes on", job.id)
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
        """Wait until its lane has let go of the job."""
        with self._idle:
            return self._idle.wait_for(lambda: job_id not in self._running, seconds)

    def close(self) -> None:
        """Stop after the tile in hand; running jobs are put back."""
        self._stopping.set()
        deadline = time.monotonic() + STOP_SECONDS
        for lane in self._lanes:
            lane.wake.set()
        for lane in self._lanes:
            if lane.thread.is_alive():
                lane.thread.join(max(0.0, deadline - time.monotonic()))

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
            if self._store.get(job.id).status is not JobStatus.RUNNING:
                return  # dismissed between the claim and the line above
            changes = _outcome(handler, LocalContext(job, self._store, self._stopping, cancelled))
            self._store.update(job.id, only_if=(JobStatus.RUNNING,), **changes)
            if self._on_end is not None and self._store.get(job.id).status.ended:
                self._on_end(job.id)
        except DyadError as error:
            log.error("job %s: its end could not be written: %s", job.id, error)
        finally:
            with self._idle:
                del self._running[job.id]
                self._idle.notify_all()


def _outcome(handler: JobHandler, context: LocalContext) -> dict[str, Any]:
    """Run the handler; the fields of the job that its end changes."""
    job = context.job
    if job.attempts > MAX_ATTEMPTS:
        return _failed(f"given up: it stopped the service {MAX_ATTEMPTS} times and got nowhere")
    try:
        context.check()
        result = handler(context)
    except Interrupted:
        log.info("job %s goes on at the next start", job.id)
        return {"status": JobStatus.ACCEPTED, "message": WAITING, "attempts": max(job.attempts - 1, 0)}
    except Cancelled:
        return {"status": JobStatus.DISMISSED, "message": "dismissed", "finished": datetime.now(UTC)}
    except DyadError as error:
        log.warning("job %s failed: %s", job.id, error)
        return _failed(str(error))
    except Exception:
        log.exception("job %s failed", job.id)
        return _failed("internal error; the log of the service has the details")
    done = {"status": JobStatus.SUCCESSFUL, "progress": 100.0, "message": "done", "finished": datetime.now(UTC)}
    counts = {key: value for key, value in result.items() if isinstance(value, int) and not isinstance(value, bool)}
    return {**done, "result": result, "counts": {**counts, **_lengths(result)}}


def _lengths(result: dict[str, Any]) -> dict[str, int]:
    return {key: len(value) for key, value in result.items() if isinstance(value, list)}


def _failed(reason: str) -> dict[str, Any]:
    return {"status": JobStatus.FAILED, "error": reason, "message": reason, "finished": datetime.now(UTC)}
