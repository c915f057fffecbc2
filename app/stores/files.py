"""Writing a small file so that a reader, or the next start after a power cut, sees the old or the new one, never a part."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from app.errors import OutOfSpace


def replace_file(path: Path, data: bytes) -> None:
    """Write beside the file, fsync, rename over it, fsync the folder.

    Raises:
        OutOfSpace: the disk is full; the old file is as it was.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutOfSpace(f"the disk of {path.parent} is full; make room and try again") from None
        raise


def sync_folder(path: Path) -> None:
    """Make the renames in a folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
