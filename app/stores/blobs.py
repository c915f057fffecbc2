"""Bytes by key in a local folder or an object store (S3, GCS, Azure), through one library."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from datetime import timedelta
from pathlib import Path

import obstore
from obstore.store import AzureStore, GCSStore, S3Store
from typing_extensions import override

from app.errors import InvalidInput, NotFound, Unavailable
from app.files import new_file, telling_full_disk
from app.ports import Blobs
from app.stores.object_store import open_store, translated

_DELETE_BATCH = 1000
_CHUNK = 8 << 20


class ObjectBlobs(Blobs):
    """`Blobs` in a folder, which is made if missing, or under a URL such as `s3://bucket/prefix`.

    Credentials and endpoints of object stores come from the environment variables their own tools use.

    Raises:
        InvalidInput: the URL names no kind of store that is known.
    """

    def __init__(self, location: str | Path) -> None:
        self._name = str(location)
        self._store, self._folder = open_store(location)

    @override
    def put(self, key: str, data: bytes | Path) -> None:
        _check(key)
        try:
            with self._translated(key):
                obstore.put(self._store, key, data)
        except NotFound:
            raise Unavailable(f"blob store {self._name}: {key!r} cannot be stored there") from None

    @override
    def get(self, key: str) -> bytes:
        _check(key)
        with self._translated(key):
            return bytes(obstore.get(self._store, key).bytes())

    @override
    def fetch(self, key: str, target: Path) -> None:
        _check(key)
        with self._translated(key):
            found = obstore.get(self._store, key)
        with telling_full_disk(target.parent), new_file(target) as file:
            pieces = iter(found.stream(min_chunk_size=_CHUNK))
            while True:
                with self._translated(key):
                    piece = next(pieces, None)
                if piece is None:
                    return
                file.write(piece)

    @override
    def exists(self, key: str) -> bool:
        _check(key)
        try:
            with self._translated(key):
                obstore.head(self._store, key)
        except NotFound:
            return self._folder is None and self._is_there_after_all(key)
        return True

    @override
    def keys(self, prefix: str) -> Iterator[str]:
        _check_prefix(prefix)
        with self._translated(prefix):
            for batch in obstore.list(self._store, prefix=prefix):
                yield from (entry["path"] for entry in batch)

    @override
    def delete(self, keys: Iterable[str]) -> None:
        remaining = iter(keys)
        while batch := list(itertools.islice(remaining, _DELETE_BATCH)):
            for key in batch:
                _check(key)
            try:
                with self._translated(batch[0]):
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
    def sign(self, key: str, seconds: int) -> str | None:
        _check(key)
        if not isinstance(self._store, S3Store | GCSStore | AzureStore):
            return None
        with self._translated(key):
            return obstore.sign(self._store, "GET", key, timedelta(seconds=seconds))

    @override
    def ping(self) -> None:
        self.exists("ping")

    def _is_there_after_all(self, key: str) -> bool:
        """Asks in a way whose answer tells a key that is not there from a bucket that is not there: a HEAD does not."""
        try:
            with self._translated(key):
                obstore.get(self._store, key)
        except NotFound:
            return False
        return True

    def _delete_each(self, keys: list[str]) -> None:
        """Some stores stop at the first unknown key."""
        for key in keys:
            with suppress(NotFound), self._translated(key):
                obstore.delete(self._store, key)

    def _translated(self, key: str) -> AbstractContextManager[None]:
        return translated(self._name, key, self._folder)


def _check(key: str) -> None:
    parts = key.split("/")
    if not key or "\x00" in key or "\\" in key or any(part in ("", ".", "..") for part in parts):
        raise InvalidInput(f"blob key {key!r}: parts between '/' may not be empty, '.' or '..'")


def _check_prefix(prefix: str) -> None:
    if not prefix.endswith("/"):
        raise InvalidInput(f"blob prefix {prefix!r} must end with '/'")
    _check(prefix[:-1])
