"""Storage and execution of jobs, and the context of a running job."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

from app.domain.jobs import Job, JobStatus


class JobStore(Protocol):
    """Stores jobs, and the ids of the tiles that they indexed."""

    def create(self, job: Job) -> None:
        """Store a new job.

        Raises:
            Conflict: a job with this id exists.
        """

    def get(self, job_id: str) -> Job:
        """One job.

        Raises:
            NotFound: no such job.
        """

    def list(
        self, *, collection: str | None = None, status: Sequence[JobStatus] = (), limit: int = 100, after: str | None = None
    ) -> Sequence[Job]:
        """Jobs, newest first, of a collection and any of the given statuses, after the job with the id `after`."""

    def update(self, job_id: str, *, only_if: Sequence[JobStatus] = (), **changes: Any) -> Job | None:
        """Change fields of a job and set `updated`. Returns None without a change if its status is not in a non-empty
        `only_if`.

        Raises:
            NotFound: no such job.
        """

    def claim(
        self, kinds: Sequence[str] = (), *, skip: Collection[str | None] = (), served: Sequence[str | None] = ()
    ) -> Job | None:
        """Atomically take an accepted job, mark it as running and count the attempt; None if there is none.

        It is the oldest one of the collection whose turn it is, see `next_in_turn`; the oldest of all by default.

        kinds: only jobs of these kinds; all if empty. skip, served: see `next_in_turn`.
        """

    def add_items(self, job_id: str, item_ids: Sequence[str]) -> None:
        """Append ids of tiles that the job indexed or found unchanged; duplicates are ignored."""

    def items(self, job_id: str) -> Iterator[str]:
        """Stream the ids of `add_items` in order."""

    def delete(self, job_id: str) -> None:
        """Delete a job and its items; nothing happens if it does not exist."""

    def ping(self) -> None:
        """Return if the store answers, else raise `Unavailable`."""

    def close(self) -> None:
        """Release all resources."""


class Cancelled(Exception):
    """The job was dismissed while it ran. Not a `DyadError`, so that code which handles failures does not catch it."""


class Interrupted(Exception):
    """The process is shutting down; the job is queued again and continues at the next start. Not a `DyadError` either."""


class JobContext(Protocol):
    """The interface of a running job's handler to the queue."""

    @property
    def job(self) -> Job:
        """The job as it was when it was claimed."""

    def progress(self, percent: float, message: str = "", counts: Mapping[str, int] | None = None) -> None:
        """Publish progress; cheap to call often (writes are throttled)."""

    def add_items(self, item_ids: Sequence[str]) -> None:
        """Report tiles that are done and durable."""

    def mark_progress(self) -> None:
        """Report that this run got further than earlier ones, which resets the number of attempts."""

    def check(self) -> None:
        """Raise if the job has to stop.

        Raises:
            Cancelled: it was dismissed.
            Interrupted: the process is shutting down; the job continues at the next start.
        """


JobHandler = Callable[[JobContext], dict[str, Any]]
"""Runs a job and returns its result; raises a `DyadError` to fail it."""


class JobQueue(Protocol):
    """Runs accepted jobs, each by the handler of its kind."""

    def submit(self, job: Job) -> None:
        """Store the job and schedule its execution.

        Raises:
            Conflict: a job with this id exists.
        """

    def cancel(self, job_id: str) -> Job:
        """Dismiss a job; one that has ended is not changed.

        Raises:
            NotFound: no such job.
        """

    def wait(self, job_id: str, seconds: float) -> bool:
        """Wait until no handler runs the job; False after the given number of seconds."""

    def close(self) -> None:
        """Stop after the current tile; running jobs are queued again."""
