"""Bytes by key in a local folder or an object store (S3, GCS, Azure), through one library."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url
from typing_extensions import override

from app.errors import InvalidInput, NotFound, OutOfSpace, Unavailable
from app.ports import Blobs

_DELETE_BATCH = 1000
# EFBIG, ENOSPC, EDQUOT, as the library words them.
_DISK_FULL = re.compile(r"os error (27|28|122)\b")


class ObjectBlobs(Blobs):
    """`Blobs` in a folder, which is made if missing, or under a URL such as `s3://bucket/prefix`.

    Credentials and endpoints of object stores come from the environment variables their own tools use.

    Raises:
        InvalidInput: the URL names no kind of store that is known.
    """

    def __init__(self, location: str | Path) -> None:
        self._folder: Path | None = None
        if isinstance(location, str) and "://" in location and not location.startswith("file://"):
            try:
                self._store: ObjectStore = from_url(location)
            except (BaseError, ValueError) as error:
                raise InvalidInput(f"blob store {location!r}: {_first_line(error)}") from None
        else:
            self._folder = Path(str(location).removeprefix("file://")).absolute()
            # Without `automatic_cleanup`: it prunes a folder that another thread is about to write into.
            self._store = LocalStore(self._folder, mkdir=True)

    @override
    def put(self, key: str, data: bytes | Path) -> None:
        _check(key)
        with _translated(key):
            obstore.put(self._store, key, data)

    @override
    def get(self, key: str) -> bytes:
        _check(key)
        with _translated(key):
            return bytes(obstore.get(self._store, key).bytes())

    @override
    def exists(self, key: str) -> bool:
        _check(key)
        try:
            with _translated(key):
                obstore.head(self._store, key)
        except NotFound:
            return False
        return True

    @override
    def keys(self, prefix: str) -> Iterator[str]:
        _check_prefix(prefix)
        with _translated(prefix):
            for batch in obstore.list(self._store, prefix=prefix):
                yield from (entry["path"] for entry in batch)

    @override
    def delete(self, keys: Iterable[str]) -> None:
        remaining = iter(keys)
        while batch := list(itertools.islice(remaining, _DELETE_BATCH)):
            for key in batch:
                _check(key)
            try:
                with _translated(batch[0]):
                    obstore.delete(self._store, batch)
            except NotFound:
                self._delete_each(batch)

    @override
    def delete_prefix(self, prefix: str) -> None:
        _check_prefix(prefix)
        self.delete(self.keys(prefix))
        if self._folder is not None:
            # Folders are no keys, nor is what a crash in the middle of a put left.
            shutil.rmtree(self._folder / prefix, ignore_errors=True)

    @override
    def ping(self) -> None:
        if self._folder is not None and not self._folder.is_dir():
            raise Unavailable(f"blob store: the folder {self._folder} is gone")
        self.exists("ping")

    def _delete_each(self, keys: list[str]) -> None:
        """Some stores stop at the first unknown key."""
        for key in keys:
            with suppress(NotFound), _translated(key):
                obstore.delete(self._store, key)


def _check(key: str) -> None:
    parts = key.split("/")
    if not key or "\x00" in key or "\\" in key or any(part in ("", ".", "..") for part in parts):
        raise InvalidInput(f"blob key {key!r}: parts between '/' may not be empty, '.' or '..'")


def _check_prefix(prefix: str) -> None:
    if not prefix.endswith("/"):
        raise InvalidInput(f"blob prefix {prefix!r} must end with '/'")
    _check(prefix[:-1])


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise NotFound(f"nothing is stored under {key!r}") from None
    except (BaseError, OSError, ValueError) as error:
        if _DISK_FULL.search(str(error)):
            raise OutOfSpace(f"storing {key!r}: the disk is full; make room and try again") from None
        raise Unavailable(f"blob store, {key!r}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
