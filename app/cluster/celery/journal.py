"""A copy of all jobs that were accepted and have not ended, in the blob store, in case Redis loses its data."""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.jobs import Job
from app.errors import NotFound
from app.ports import Blobs

JOURNAL = "journal/"


class Journal:
    """One document for each job, from its acceptance to its end."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def enter(self, job: Job) -> None:
        """Add a job."""
        self._blobs.put(_key(job.id), job.model_dump_json().encode())

    def strike(self, job_id: str) -> None:
        """Remove a job; unknown ids are ignored."""
        self._blobs.delete([_key(job_id)])

    def ids(self) -> Iterator[str]:
        """Ids of all jobs in the journal."""
        for key in self._blobs.keys(JOURNAL):
            yield key.removeprefix(JOURNAL).removesuffix(".json")

    def job(self, job_id: str) -> Job | None:
        """A job as it was accepted; None if it is not in the journal."""
        try:
            return Job.model_validate_json(self._blobs.get(_key(job_id)))
        except NotFound:
            return None


def _key(job_id: str) -> str:
    return f"{JOURNAL}{job_id}.json"
