"""Jobs as clients see them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.domain.jobs import Job, JobStatus
from app.errors import Conflict, InvalidInput, NotFound
from app.ports import JobQueue, JobStore
from app.services.job_folders import JobFolders


class JobService:
    """List, follow, cancel and forget jobs."""

    def __init__(self, store: JobStore, queue: JobQueue, folders: JobFolders) -> None:
        self._store = store
        self._queue = queue
        self._folders = folders

    def list(
        self, collection: str | None = None, status: Sequence[JobStatus] = (), limit: int = 100, after: str | None = None
    ) -> Sequence[Job]:
        """Jobs, newest first."""
        return self._store.list(collection=collection, status=status, limit=limit, after=after)

    def get(self, job_id: str) -> Job:
        """One job.

        Raises:
            NotFound: no such job.
        """
        return self._store.get(job_id)

    def is_waiting(self, job_id: str) -> bool:
        """Whether there is such a job and it has not ended."""
        try:
            return not self._store.get(job_id).status.ended
        except NotFound:
            return False

    def dismiss(self, job_id: str) -> Job:
        """Cancel a job; what it has indexed stays. One that has ended is returned as it is.

        Raises:
            NotFound: no such job.
        """
        job = self._queue.cancel(job_id)
        if self._queue.wait(job_id, 0):
            self._folders.discard(job_id)
        return job

    def results(self, job_id: str) -> tuple[dict[str, object], Iterator[str]]:
        """A successful job's result, and the ids of its tiles, streamed.

        Raises:
            NotFound: no such job. Conflict: it has not ended. InvalidInput: it did not succeed.
        """
        job = self._store.get(job_id)
        if not job.status.ended:
            raise Conflict(f"job {job_id} is {job.status}; its results are there when it has ended")
        if job.result is None:
            raise InvalidInput(f"job {job_id} has no results: {job.error or job.status}")
        return job.result, self._store.items(job_id)

    def sweep(self) -> None:
        """Delete the folders of jobs that are gone or have ended."""
        waiting = {job.id for job in self._store.list(status=(JobStatus.ACCEPTED, JobStatus.RUNNING), limit=100_000)}
        for job_id in self._folders.ids():
            if job_id not in waiting:
                self._folders.discard(job_id)
