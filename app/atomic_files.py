"""Writing a file so that nobody ever sees a part of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from app.errors import OutOfSpace

_CHUNK = 1 << 16


def replace_file(path: Path, data: bytes) -> None:
    """Put a small file there so that a reader, or the next start after a power cut, sees the old or the new one.

    Writes beside it, syncs, renames, syncs the folder.

    Raises:
        OutOfSpace: the disk is full; the old file is as it was.
    """
    part = path.with_name(f".{path.name}.part")
    with telling_full_disk(path.parent):
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            sync(path.parent)
        except OSError:
            part.unlink(missing_ok=True)
            raise


def is_full_disk(error: OSError) -> bool:
    """Whether it says that there is no space left, of the disk or of a quota."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def telling_full_disk(folder: Path) -> Iterator[None]:
    """Of the errors of a block that writes into `folder`, that of a full disk is `OutOfSpace`."""
    try:
        yield
    except OSError as error:
        if not is_full_disk(error):
            raise
        raise OutOfSpace(f"the disk of {folder} is full; make room and try again") from None


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A new file to write to; it is removed if the block fails.

    Raises:
        OSError: it exists, or cannot be made.
    """
    with path.open("xb") as file:
        try:
            yield file
            file.flush()
        except BaseException:
            path.unlink()
            raise


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder with all that is in it to the new folder `target`, durably; long runs of zeros become holes.

    Raises:
        OutOfSpace: the disk is full; a part of the copy is there.
    """
    with telling_full_disk(target.parent):
        target.mkdir()
        for path in sorted(source.rglob("*")):  # a folder before what is in it
            copy = target / path.relative_to(source)
            if path.is_dir():
                copy.mkdir()
            else:
                _copy_sparse(path, copy)


def _copy_sparse(source: Path, target: Path) -> None:
    with source.open("rb") as read, target.open("xb") as write:
        while chunk := read.read(_CHUNK):
            if chunk.strip(b"\0"):
                write.write(chunk)
            else:
                write.seek(len(chunk), os.SEEK_CUR)
        write.truncate()
        write.flush()
        os.fsync(write.fileno())


def sync_tree(folder: Path) -> None:
    """Make all files in a folder durable, those included that are written through memory maps."""
    for path in folder.rglob("*"):
        if path.is_file():
            sync(path)


def sync(path: Path) -> None:
    """Make a file's content, or the renames in a folder, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
