"""One folder per job, for its staged uploads and working files; it is deleted when the job has ended."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import OutOfSpace
from app.ports import Interrupted

SPARE = 256 << 20
"""Bytes of disk space that a job leaves free."""


class JobFolders:
    """Folders under `root`, named by job id."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def new(self) -> Path:
        """Create a folder; its name is the id of the job to be."""
        return self.of(str(uuid.uuid4()))

    def of(self, job_id: str) -> Path:
        """Return the folder of a job; create it if it does not exist."""
        folder = self._root / job_id
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def share(self, folder: Path) -> None:
        """Make the staged files of a job available to the process that will run it; the folder may be empty afterwards.

        Raises:
            Unavailable: the files could not be shared; `delete` removes the part that was.
        """

    def bring(self, path: Path) -> bool:
        """Fetch a shared file to its path in the job's folder if it is not there; return whether a copy was made.

        Paths outside the job folders are ignored.

        Raises:
            NotFound: the shared file is missing. Unavailable: it cannot be fetched now. OutOfSpace: the disk is full.
        """
        return False

    @contextmanager
    def working(self, job_id: str) -> Iterator[Path]:
        """The folder of a job while it runs. It is deleted when the job fails, and kept when the job is interrupted.

        After a success it is kept until the end of the job is stored (see `LocalQueue`): a job that is killed before that runs
        again and needs its staged files.
        """
        try:
            yield self.of(job_id)
        except Interrupted:
            raise
        except BaseException:
            self.delete(job_id)
            raise

    def delete(self, job_id: str) -> None:
        """Delete the folder of a job that will not run again, and its shared files."""
        shutil.rmtree(self._root / job_id, ignore_errors=True)

    def collect_garbage(self, is_active: Callable[[str], bool]) -> None:
        """Delete the folders on this machine of jobs that are not active; shared files are kept."""
        for job_id in JobFolders.ids(self):
            if not is_active(job_id):
                shutil.rmtree(self._root / job_id, ignore_errors=True)

    def ids(self) -> list[str]:
        """Ids of the jobs that have a folder."""
        return [folder.name for folder in self._root.iterdir()] if self._root.is_dir() else []

    def check_space(self, needed: int) -> None:
        """Check that `needed` more bytes fit on the disk.

        Raises:
            OutOfSpace: they do not; the message gives the missing space.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        missing = needed + SPARE - shutil.disk_usage(self._root).free
        if missing > 0:
            raise OutOfSpace(f"the disk of {self._root} needs {-(-missing >> 20)} MB more for this; make room and try again")
