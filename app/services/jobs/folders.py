"""A folder a job: what is staged for it, and what it works with, until it has ended."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import OutOfSpace
from app.ports import Interrupted

SPARE = 256 << 20
"""Bytes of the disk that a job leaves to everybody else."""


class JobFolders:
    """Folders under `root`, named after the jobs that own them."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def new(self) -> Path:
        """A fresh folder; its name becomes a job's id."""
        return self.of(str(uuid.uuid4()))

    def of(self, job_id: str) -> Path:
        """The folder of a job, made if missing."""
        folder = self._root / job_id
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def share(self, folder: Path) -> None:
        """Hand a folder with what was staged for its job over to whoever will run the job; it may be empty afterwards.

        Raises:
            Unavailable: it could not be handed over; `discard` removes what was.
        """

    def bring(self, path: Path) -> bool:
        """See that a file which was shared lies at its place in the job's folder; whether it is a copy that was made for this.

        Other paths are left alone.

        Raises:
            NotFound: it is gone. Unavailable: it cannot be had now. OutOfSpace: the disk is full.
        """
        return False

    @contextmanager
    def working(self, job_id: str) -> Iterator[Path]:
        """The folder of a job while it runs; it goes away with one that fails, and stays for one that will go on.

        That of a job that has done its work goes when its end is on record (see `LocalQueue`), not before: a job that is killed
        in between runs again, and needs what was staged for it.
        """
        try:
            yield self.of(job_id)
        except Interrupted:
            raise
        except BaseException:
            self.discard(job_id)
            raise

    def discard(self, job_id: str) -> None:
        """Delete the folder of a job that will not run any more."""
        shutil.rmtree(self._root / job_id, ignore_errors=True)

    def tidy(self, is_waiting: Callable[[str], bool]) -> None:
        """Delete the folders on this machine of jobs that are not waited for any more, and nothing elsewhere."""
        for job_id in JobFolders.ids(self):
            if not is_waiting(job_id):
                shutil.rmtree(self._root / job_id, ignore_errors=True)

    def ids(self) -> list[str]:
        """Ids of the jobs that have one."""
        return [folder.name for folder in self._root.iterdir()] if self._root.is_dir() else []

    def check_space(self, needed: int) -> None:
        """See that the disk holds `needed` more bytes.

        Raises:
            OutOfSpace: it does not; the message says how much is missing.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        missing = needed + SPARE - shutil.disk_usage(self._root).free
        if missing > 0:
            raise OutOfSpace(f"the disk of {self._root} lacks {-(-missing >> 20)} MB for this; make room and try again")
