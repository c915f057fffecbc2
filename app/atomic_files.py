"""Atomic and durable writing of files."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from app.errors import OutOfSpace

_CHUNK = 1 << 16
_SCRATCH, _LOCK = ".dyad-part-", "lock"


def replace_file(path: Path, data: bytes) -> None:
    """Write a small file atomically: a reader, also after a power cut, sees the old or the new content.

    Writes a temporary file, syncs it, renames it and syncs the folder.

    Raises:
        OutOfSpace: the disk is full; the old file is unchanged.
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
    """Whether an error means that the disk or a quota is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def telling_full_disk(folder: Path) -> Iterator[None]:
    """Raise `OutOfSpace` if the block, which writes to `folder`, fails because the disk is full."""
    try:
        yield
    except OSError as error:
        if not is_full_disk(error):
            raise
        raise OutOfSpace(f"the disk of {folder} is full; make room and try again") from None


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Create a file and open it for writing; it is removed if the block fails.

    Raises:
        OSError: the file exists, or cannot be created.
    """
    with path.open("xb") as file:
        try:
            yield file
            file.flush()
        except BaseException:
            path.unlink()
            raise


@contextmanager
def complete_file(path: Path, *, is_overwriting: bool = False) -> Iterator[BinaryIO]:
    """Create a file that appears under its name only after the block: complete and durable, also if the process is killed.

    is_overwriting: replace an existing file; that a symbolic link points to, if it is one.

    Raises:
        OSError: the file exists and is not to be replaced, or cannot be created.
    """
    path = path.resolve() if is_overwriting else path
    if not is_overwriting:
        _refuse_existing(path)
    with scratch_folder(path.absolute().parent) as folder:
        part = folder / "file"
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if is_overwriting:
            part.replace(path)
        else:
            _move_to_new(part, path)
        sync(path.absolute().parent)


def _move_to_new(part: Path, path: Path) -> None:
    """Give a file its name, unless a file has that name.

    Raises:
        FileExistsError: a file has that name.
    """
    try:
        path.hardlink_to(part)
    except FileExistsError:
        raise
    except OSError:  # the file system has no hard links
        _refuse_existing(path)
        part.rename(path)


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A new folder in `parent`, deleted after the block. First deletes such folders of killed processes.

    Raises:
        OSError: it cannot be created.
    """
    for abandoned in parent.glob(f"{_SCRATCH}*"):
        with suppress(OSError):  # in use, of another user, or a file system without locks
            lock = _open_lock(abandoned, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(abandoned, ignore_errors=True)
            os.close(lock)
    folder, lock = _locked_folder(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked_folder(parent: Path) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=parent))
        with suppress(FileNotFoundError):  # another process deleted the folder before it was locked
            lock = _open_lock(folder, fcntl.LOCK_EX, is_optional=True)
            if (folder / _LOCK).exists():
                return folder, lock
            os.close(lock)


def _open_lock(folder: Path, how: int, *, is_optional: bool = False) -> int:
    """Lock a scratch folder; the lock ends with the process."""
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, how)
    except OSError:
        if not is_optional:
            os.close(lock)
            raise
    return lock


def _refuse_existing(path: Path) -> None:
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder recursively to the new folder `target`, durably; long runs of zeros become holes.

    Raises:
        OutOfSpace: the disk is full; a part of the copy remains.
    """
    with telling_full_disk(target.parent):
        target.mkdir()
        for path in sorted(source.rglob("*")):  # a folder before its content
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
    """Make all files in a folder durable, including files written through memory maps."""
    for path in folder.rglob("*"):
        if path.is_file():
            sync(path)


def sync(path: Path) -> None:
    """Make the content of a file, or the renames in a folder, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
