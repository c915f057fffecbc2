"""The state folder (`DYAD_HOME`), used by one process at a time.

::

    lock            locked while open; contains the holder: {"pid", "url"}
    version         version number of the folder's format
    identity        the installation that the folder belongs to
    jobs.sqlite     jobs
    vectors/ blobs/ models/ staging/
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import IO

from app.atomic_files import replace_file
from app.errors import HomeInUse, HomeTooNew, StartupError

FORMAT = 1


class Home:
    """The opened folder. `close` releases it, and so does the end of the process, even by a kill.

    path: created if missing. url: address of this service, shown in errors of other processes that find the folder in use.

    Raises:
        HomeInUse: another process has it open.
        HomeTooNew: a newer version wrote it.
        StartupError: it is not a folder, or cannot be written.
    """

    def __init__(self, path: Path, url: str | None = None) -> None:
        self.path = path.absolute()
        self.vectors = self.path / "vectors"
        self.blobs = self.path / "blobs"
        self.models = self.path / "models"
        self.staging = self.path / "staging"
        self.jobs = self.path / "jobs.sqlite"
        self.identity = self.path / "identity"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = self._acquire(url)
        except OSError as error:
            raise self._unusable(error) from None
        try:
            self._check_version()
            for folder in (self.vectors, self.blobs, self.models, self.staging):
                folder.mkdir(exist_ok=True)
        except OSError as error:
            self.close()
            raise self._unusable(error) from None
        except StartupError:
            self.close()
            raise

    def close(self) -> None:
        """Release the folder."""
        if not self._lock.closed:
            self._lock.seek(0)
            self._lock.truncate()
            self._lock.close()

    def _acquire(self, url: str | None) -> IO[str]:
        lock = (self.path / "lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            text = lock.read()
            lock.close()
            raise _in_use(self.path, text) from None
        lock.truncate(0)
        lock.write(json.dumps({"pid": os.getpid(), "url": url}))
        lock.flush()
        return lock

    def _check_version(self) -> None:
        file = self.path / "version"
        if not file.exists():
            replace_file(file, f"{FORMAT}\n".encode())
            return
        text = file.read_text(encoding="utf-8", errors="replace").strip()
        if not text.isdecimal():
            raise StartupError(f"{file} holds {text[:40]!r} instead of a number; is {self.path} a Dyad folder?")
        if int(text) > FORMAT:
            raise HomeTooNew(
                f"{self.path} was written by a newer version of Dyad (format {text}; this version reads {FORMAT}): "
                "upgrade Dyad or set DYAD_HOME to another folder"
            )

    def _unusable(self, error: OSError) -> StartupError:
        return StartupError(f"cannot use {self.path} as DYAD_HOME: {error.strerror or error}; choose a folder you can write to")


def _in_use(path: Path, text: str) -> HomeInUse:
    """text: content of the lock file; empty for a moment after it is locked."""
    try:
        holder = json.loads(text)
    except ValueError:
        holder = {}
    pid, url = holder.get("pid"), holder.get("url")
    by = f"process {pid}" if pid else "another process"
    if url:
        return HomeInUse(f"{path} is in use by the service at {url} ({by}): pass --url {url} to use it, or stop it", url)
    return HomeInUse(f"{path} is in use by {by}: wait until it ends, stop it, or set DYAD_HOME to another folder")
