"""Folders of jobs in a cluster: uploaded files travel through the blob store to the worker that runs the job."""

from __future__ import annotations

import logging
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from typing_extensions import override

from app.errors import DyadError, NotFound, Unavailable
from app.ports import Blobs, Interrupted
from app.services.jobs.folders import JobFolders

logger = logging.getLogger(__name__)

UPLOADS = "uploads/"
MARKS = "upload-marks/"
"""One key for each upload, with the time of its start: an old one without a job is the rest of a killed process."""
ABANDONED = timedelta(days=1)
THREADS = 8


class SharedFolders(JobFolders):
    """`JobFolders` of one process of a cluster: each process has its own folders, and shared files are in the blob store.

    A folder on this machine is a copy that may be lost at any time. It is kept if a job is interrupted, or fails because a
    service is unavailable, for the case that the job runs here again.
    """

    def __init__(self, root: Path, blobs: Blobs) -> None:
        super().__init__(root)
        self._blobs = blobs

    @override
    def share(self, folder: Path) -> None:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        self._blobs.put(_mark(folder.name), datetime.now(UTC).isoformat().encode())
        with ThreadPoolExecutor(THREADS, "dyad-share") as pool:
            sent = [pool.submit(self._blobs.put, self._key(path), path) for path in paths]
            try:
                for one in sent:
                    one.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        shutil.rmtree(folder, ignore_errors=True)

    @override
    def bring(self, path: Path) -> bool:
        if path.exists() or not path.is_relative_to(self._root):
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{uuid.uuid4()}.part")
        try:
            self._blobs.fetch(self._key(path), part)
        except NotFound:
            raise NotFound(f"{path.name}: the uploaded file of this job is missing; upload it again") from None
        part.replace(path)
        return True

    @override
    @contextmanager
    def working(self, job_id: str) -> Iterator[Path]:
        try:
            yield self.of(job_id)
        except (Interrupted, Unavailable):
            raise
        except BaseException:
            self._drop(job_id)
            raise

    @override
    def delete(self, job_id: str) -> None:
        self._drop(job_id)
        try:
            self._blobs.delete_prefix(f"{UPLOADS}{job_id}/")
            self._blobs.delete([_mark(job_id)])
        except DyadError as error:
            logger.warning(
                "the uploads of job %s could not be deleted; garbage collection deletes them after a day: %s", job_id, error
            )

    @override
    def ids(self) -> list[str]:
        """Ids of jobs with a folder here, and of uploads that are older than `ABANDONED`."""
        old = [key.removeprefix(MARKS) for key in self._blobs.keys(MARKS) if self._is_old(key)]
        return list(dict.fromkeys([*super().ids(), *old]))

    def _drop(self, job_id: str) -> None:
        super().delete(job_id)

    def _is_old(self, mark: str) -> bool:
        try:
            return datetime.now(UTC) - datetime.fromisoformat(self._blobs.get(mark).decode()) > ABANDONED
        except NotFound:  # another process deleted it
            return False
        except ValueError:
            return True

    def _key(self, path: Path) -> str:
        return f"{UPLOADS}{path.relative_to(self._root).as_posix()}"


def _mark(job_id: str) -> str:
    return f"{MARKS}{job_id}"
