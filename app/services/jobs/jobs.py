"""Background jobs: list, read, cancel, delete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.domain.jobs import ACTIVE, Job, JobStatus
from app.errors import Conflict, InvalidInput, NotFound, ResultNotReady
from app.ports import JobQueue, JobStore
from app.services.jobs.folders import JobFolders

BATCH = 500
"""Jobs that are read at once where only jobs of some kinds are listed."""


class JobService:
    """Reads and cancels jobs, and deletes their records and folders."""

    def __init__(self, store: JobStore, queue: JobQueue, folders: JobFolders) -> None:
        self._store = store
        self._queue = queue
        self._folders = folders

    def list(
        self,
        collection: str | None = None,
        status: Sequence[JobStatus] = (),
        limit: int = 100,
        after: str | None = None,
        kinds: Sequence[str] = (),
    ) -> Sequence[Job]:
        """Jobs, newest first, of a collection, any of the given statuses and any of the given kinds (all if there are none).

        after: id of the last job of the previous page.
        """
        if not kinds:
            return self._store.list(collection=collection, status=status, limit=limit, after=after)
        found: list[Job] = []
        while len(found) < limit:
            page = self._store.list(collection=collection, status=status, limit=BATCH, after=after)
            found += [job for job in page if job.kind in kinds]
            if len(page) < BATCH:
                break
            after = page[-1].id
        return found[:limit]

    def get(self, job_id: str) -> Job:
        """One job.

        Raises:
            NotFound: no such job.
        """
        return self._store.get(job_id)

    def is_active(self, job_id: str) -> bool:
        """Whether the job exists and has not ended."""
        try:
            return not self._store.get(job_id).status.ended
        except NotFound:
            return False

    def dismiss(self, job_id: str) -> Job:
        """Cancel a job; the tiles that it has indexed stay. A job that has ended is returned unchanged.

        Raises:
            NotFound: no such job.
        """
        job = self._queue.cancel(job_id)
        self._delete_folder_if_idle(job_id, 0)
        return job

    def stop_all(self, collection: str, seconds: float) -> None:
        """Dismiss the jobs of a collection, and wait until they have stopped.

        Raises:
            Conflict: a job still runs after `seconds`.
        """
        for job in self._store.list(collection=collection, status=ACTIVE, limit=1000):
            self._queue.cancel(job.id)
            if not self._delete_folder_if_idle(job.id, seconds):
                raise Conflict(
                    f"job {job.id} of collection {collection!r} did not stop within {seconds:g} s; try again when it has ended"
                )

    def delete_all(self, collection: str) -> None:
        """Delete the records of a collection's jobs, and the folders of those that did not run to their end."""
        while jobs := self._store.list(collection=collection):
            for job in jobs:
                self._store.delete(job.id)
                if job.status not in (JobStatus.SUCCESSFUL, JobStatus.FAILED):
                    self._folders.delete(job.id)

    def results(self, job_id: str) -> tuple[dict[str, object], Iterator[str]]:
        """The result of a successful job, and the ids of its tiles, streamed.

        Raises:
            NoSuchJob: no such job. ResultNotReady: it has not ended. InvalidInput: it did not succeed.
        """
        job = self._store.get(job_id)
        if not job.status.ended:
            raise ResultNotReady(f"job {job_id} is {job.status}; results are available when it has ended")
        if job.result is None:
            raise InvalidInput(f"job {job_id} has no results: {job.error or job.status}")
        return job.result, self._store.items(job_id)

    def delete_unused_folders(self) -> None:
        """Delete the folders of jobs that have ended or do not exist."""
        active = {job.id for job in self._store.list(status=ACTIVE, limit=100_000)}
        for job_id in self._folders.ids():
            if job_id not in active:
                self._folders.delete(job_id)

    def _delete_folder_if_idle(self, job_id: str, seconds: float) -> bool:
        """Delete the folder of a dismissed job if it stops within `seconds`; else its worker deletes the folder."""
        is_idle = self._queue.wait(job_id, seconds)
        if is_idle:
            self._folders.delete(job_id)
        return is_idle
