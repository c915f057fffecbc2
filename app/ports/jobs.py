"""Where jobs are kept, what runs them, and what a running one sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from app.domain.jobs import Job, JobStatus


class JobStore(Protocol):
    """The jobs and the ids of the tiles they touched."""

    def create(self, job: Job) -> None:
        """Store a new job.

        Raises:
            Conflict: there is one of its id.
        """

    def get(self, job_id: str) -> Job:
        """One job.

        Raises:
            NotFound: no such job.
        """

    def list(
        self, *, collection: str | None = None, status: Sequence[JobStatus] = (), limit: int = 100, after: str | None = None
    ) -> Sequence[Job]:
        """Jobs, newest first, of a collection and of any of the given statuses, behind the job `after`."""

    def update(self, job_id: str, *, only_if: Sequence[JobStatus] = (), **changes: Any) -> Job | None:
        """Change fields of a job and set `updated`; None, and no change, if its status is not in a non-empty `only_if`.

        Raises:
            NotFound: no such job.
        """

    def claim(self, kinds: Sequence[str] = ()) -> Job | None:
        """Atomically take the oldest accepted job, mark it running and count the attempt; None if there is none.

        kinds: only jobs of these kinds; all if empty.
        """

    def add_items(self, job_id: str, item_ids: Sequence[str]) -> None:
        """Append ids of tiles that the job indexed or found unchanged; an id counts once."""

    def items(self, job_id: str) -> Iterator[str]:
        """Those ids in the order they came, streamed."""

    def delete(self, job_id: str) -> None:
        """Forget a job and its items; nothing happens if there is none."""

    def ping(self) -> None:
        """Return if the store answers, else raise `Unavailable`."""

    def close(self) -> None:
        """Release everything."""


class Cancelled(Exception):
    """The job was dismissed while it ran. Not a `DyadError`, so that code which handles failures does not catch it."""


class Interrupted(Exception):
    """The process is shutting down; the job is queued again and continues at the next start. Not a `DyadError` either."""


class JobContext(Protocol):
    """What a running job's handler sees of the world."""

    @property
    def job(self) -> Job:
        """The job as it was when it was claimed."""

    def progress(self, percent: float, message: str = "", counts: Mapping[str, int] | None = None) -> None:
        """Publish progress; cheap to call often (writes are throttled)."""

    def add_items(self, item_ids: Sequence[str]) -> None:
        """Report tiles as done: they are durable by now."""

    def mark_progress(self) -> None:
        """Say that this run has come further than any before it, which forgives the crashes that it was restarted after."""

    def check(self) -> None:
        """Raise if the job should stop here.

        Raises:
            Cancelled: it was dismissed.
            Interrupted: the process is shutting down; the job goes on at the next start.
        """


JobHandler = Callable[[JobContext], dict[str, Any]]
"""Runs a job and returns its result; raises a `DyadError` to fail it."""


class JobQueue(Protocol):
    """Runs accepted jobs, each by the handler of its kind."""

    def submit(self, job: Job) -> None:
        """Store the job and see that it runs.

        Raises:
            Conflict: there is one of its id.
        """

    def cancel(self, job_id: str) -> Job:
        """Dismiss a job that has not ended; an ended one is left as it is.

        Raises:
            NotFound: no such job.
        """

    def wait(self, job_id: str, seconds: float) -> bool:
        """Wait until no handler works on the job; whether that came in time."""

    def close(self) -> None:
        """Stop after the tile in hand; running jobs are put back."""
