"""Jobs that were accepted and have not ended, written down where Redis cannot lose them."""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.jobs import Job
from app.errors import NotFound
from app.ports import Blobs

JOURNAL = "journal/"


class Journal:
    """A document a job, from its acceptance to its end."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def enter(self, job: Job) -> None:
        """Write a job down."""
        self._blobs.put(_key(job.id), job.model_dump_json().encode())

    def strike(self, job_id: str) -> None:
        """Forget a job; nothing happens if it is not known."""
        self._blobs.delete([_key(job_id)])

    def ids(self) -> Iterator[str]:
        """Ids of the jobs that are written down."""
        for key in self._blobs.keys(JOURNAL):
            yield key.removeprefix(JOURNAL).removesuffix(".json")

    def job(self, job_id: str) -> Job | None:
        """A job as it was accepted; None if it is not written down."""
        try:
            return Job.model_validate_json(self._blobs.get(_key(job_id)))
        except NotFound:
            return None


def _key(job_id: str) -> str:
    return f"{JOURNAL}{job_id}.json"
