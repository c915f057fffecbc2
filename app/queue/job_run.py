"""Runs one job, in the embedded queue and in a cluster: its context, and the changes of its record at the end."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from app.atomic_files import is_full_disk
from app.domain.jobs import Job, JobStatus, result_counts
from app.errors import DyadError, NotFound, NothingIndexed
from app.ports import Cancelled, Interrupted, JobHandler, JobStore
from app.ports.stopping import stoppable

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
PROGRESS_SECONDS = 0.2
WAITING = "interrupted; waiting to continue"
Recoverable = tuple[type[DyadError], ...]


class StoreContext:
    """A `JobContext` that writes to the job store.

    check, stop_check: raises `Cancelled` or `Interrupted` if the job has to stop; thread-safe, and writes nothing.
    """

    def __init__(self, job: Job, store: JobStore, check: Callable[[], None]) -> None:
        self.job = job
        self.stop_check = check
        self._store = store
        self._published = -math.inf
        self._pending: dict[str, Any] | None = None
        self._has_progressed = False

    def check(self) -> None:
        """Raise if the job has to stop; write progress that was held back by throttling."""
        self.stop_check()
        self._publish()

    def progress(self, percent: float, message: str = "", counts: Mapping[str, int] | None = None) -> None:
        """Write progress to the store, at most every `PROGRESS_SECONDS`."""
        changes: dict[str, Any] = {"progress": round(min(max(percent, 0.0), 100.0), 2), "message": message}
        if counts is not None:
            changes["counts"] = dict(counts)
        self._pending = changes
        self._publish()

    def _publish(self) -> None:
        changes, now = self._pending, time.monotonic()
        if changes is None or (now - self._published < PROGRESS_SECONDS and changes["progress"] < 100):
            return
        self._published, self._pending = now, None
        self._store.update(self.job.id, only_if=(JobStatus.RUNNING,), **changes)

    def add_items(self, item_ids: Sequence[str]) -> None:
        """Report tiles that are done, which also marks progress."""
        self._store.add_items(self.job.id, item_ids)
        if item_ids:
            self.mark_progress()

    def mark_progress(self) -> None:
        """Reset the number of attempts, once per run."""
        if not self._has_progressed:
            self._has_progressed = True
            self._store.update(self.job.id, attempts=1)


def outcome(handler: JobHandler, context: StoreContext, recoverable: Recoverable = ()) -> dict[str, Any]:
    """Run the handler; return the fields of the job that change at its end.

    recoverable: errors that are raised again, because the caller retries the job.
    """
    job = context.job
    if job.attempts > MAX_ATTEMPTS:
        return failed(f"given up: the service stopped {MAX_ATTEMPTS} times while it ran this job, without progress")
    try:
        context.check()
        with stoppable(context.stop_check):
            result = handler(context)
    except Interrupted:
        log.info("job %s is interrupted and queued again", job.id)
        return put_back(job, WAITING)
    except Cancelled:
        return {"status": JobStatus.DISMISSED, "message": "dismissed", "finished": datetime.now(UTC)}
    except recoverable:
        raise
    except DyadError as error:
        log.warning("job %s failed: %s", job.id, error)
        return _failed_by(error)
    except Exception as error:  # a bug fails its job, not the thread or worker that runs all jobs
        log.exception("job %s failed", job.id)
        return failed(_reason(error))
    done = {"status": JobStatus.SUCCESSFUL, "progress": 100.0, "message": "done", "finished": datetime.now(UTC)}
    return {**done, "result": result, "counts": result_counts(result)}


def settle(store: JobStore, job_id: str, changes: Mapping[str, Any]) -> Job | None:
    """Write the end of a run; return the job, or None if it was deleted together with its collection."""
    try:
        store.update(job_id, only_if=(JobStatus.RUNNING,), **changes)
        return store.get(job_id)
    except NotFound:
        return None


def put_back(job: Job, message: str) -> dict[str, Any]:
    """The fields that change when a job is queued again; the run does not count as an attempt."""
    return {"status": JobStatus.ACCEPTED, "message": message, "attempts": max(job.attempts - 1, 0)}


def failed(reason: str) -> dict[str, Any]:
    """The fields that change when a job fails."""
    return {"status": JobStatus.FAILED, "error": reason, "message": reason, "finished": datetime.now(UTC)}


def _failed_by(error: DyadError) -> dict[str, Any]:
    if not isinstance(error, NothingIndexed):
        return failed(str(error))
    return {**failed(str(error)), "result": error.result, "counts": result_counts(error.result)}


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and is_full_disk(error):
        return f"the disk of {error.filename or 'the worker'} is full; make room and try again"
    return "internal error; the log of the service has the details"
