"""The folder of added bundles: adding and deleting one so that a crash at any moment leaves all of it or nothing.

::

    {id}/            a bundle
    active.json      {"model": id}: the default that a user chose; without the file, `DEFAULT_MODEL`
    .incoming/       unpacking and deletion in progress; emptied at the next start
"""

from __future__ import annotations

import errno
import json
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.atomic_files import is_full_disk, replace_file, sync
from app.errors import Conflict, DyadError, OutOfSpace, Unavailable

logger = logging.getLogger(__name__)

SCRATCH = ".incoming"
ACTIVE = "active.json"


class ModelFolder:
    """The folder at `path`, which is created with the first bundle. Only one process writes to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        shutil.rmtree(path / SCRATCH, ignore_errors=True)

    def read_active(self) -> str | None:
        """The id of the chosen default; None if none was chosen."""
        try:
            chosen = json.loads((self.path / ACTIVE).read_bytes())["model"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("%s cannot be read (%s): the default is the model that ships", self.path / ACTIVE, error)
            return None
        return chosen if isinstance(chosen, str) else None

    def write_active(self, model_id: str) -> None:
        """Choose the default. Survives a power cut.

        Raises:
            OutOfSpace: the disk is full.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        replace_file(self.path / ACTIVE, json.dumps({"model": model_id}).encode())

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A fresh folder on the same disk, outside the listed models; it is removed after the block."""
        parent = self.path / SCRATCH
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=parent))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def put(self, source: Path, name: str) -> Path:
        """Move a folder here under `name`, durably; returns its path.

        Raises:
            Conflict: the name is taken. OutOfSpace: the disk is full (if the folder is on another one).
        """
        target = self.path / name
        with self.scratch() as scratch:
            part = scratch / name
            try:
                move(source, part)
                for path in (*part.iterdir(), part):
                    sync(path)
                part.rename(target)
            except OSError as error:
                raise _explained(error, name) from None
        sync(self.path)
        return target

    def take_out(self, name: str) -> None:
        """Delete the folder `name`.

        Raises:
            Unavailable: it cannot be deleted.
        """
        with self.scratch() as scratch:
            try:
                (self.path / name).rename(scratch / name)
            except OSError as error:
                raise Unavailable(f"the bundle {name!r} cannot be deleted: {error.strerror}") from None
            sync(self.path)


def move(source: Path, target: Path) -> None:
    """Move a folder, also from another disk.

    Raises:
        OSError: it cannot be moved.
    """
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copytree(source, target)
        shutil.rmtree(source, ignore_errors=True)


def _explained(error: OSError, name: str) -> DyadError:
    if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
        return Conflict(f"the folder of models has an entry {name!r} already; delete it first, or choose another id")
    if is_full_disk(error):
        return OutOfSpace("the disk of the models is full; free some space and try again")
    return Unavailable(f"the bundle {name!r} cannot be moved to the models: {error.strerror}")
