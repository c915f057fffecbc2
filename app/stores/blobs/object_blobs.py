"""Blobs (bytes with a key) in a local folder or an object store (S3, GCS, Azure), through the library `obstore`."""

from __future__ import annotations

import itertools
import mimetypes
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import NotModifiedError
from obstore.store import AzureStore, GCSStore, S3Store
from typing_extensions import override

from app.atomic_files import new_file, telling_full_disk
from app.errors import InvalidInput, NotFound, Unavailable
from app.ports import Blobs
from app.stores.blobs.object_store import open_store, translated

if TYPE_CHECKING:
    from obstore import Attributes

_DELETE_BATCH = 1000
_CHUNK = 8 << 20
_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")
"""Keys whose files have the same name."""
_PART = re.compile(r"#\d+$")
"""Suffix of the temporary file that the library writes before it renames it; no key of Dyad ends with it."""


class ObjectBlobs(Blobs):
    """`Blobs` in a folder, which is created if missing, or under a URL such as `s3://bucket/prefix`.

    Credentials and endpoints of object stores come from the environment variables of their own tools.

    public_url: address under which clients reach an object store, for URLs from `sign`; empty: `sign` returns None.

    Raises:
        InvalidInput: the scheme of the URL is not supported.
    """

    def __init__(self, location: str | Path, public_url: str = "") -> None:
        self._name = str(location)
        self._store, self._folder = open_store(location)
        self._public = open_store(location, public_url)[0] if public_url and self._folder is None else None

    @override
    def put(self, key: str, data: bytes | Path) -> None:
        _check(key)
        try:
            with self._translated(key):
                obstore.put(self._store, key, data, attributes=self._attributes(key))
        except NotFound:
            raise Unavailable(
                f"blob store {self._name}: {key!r} cannot be stored there; check its prefix and permissions"
            ) from None

    @override
    def get(self, key: str) -> bytes:
        _check(key)
        with self._translated(key):
            return bytes(obstore.get(self._store, key).bytes())

    @override
    def get_changed(self, key: str, tag: str | None) -> tuple[bytes, str] | None:
        _check(key)
        if self._folder is not None and _PLAIN.fullmatch(key):
            with suppress(FileNotFoundError, NotADirectoryError):
                return _read_changed(self._folder / key, tag)
        try:
            with self._translated(key):
                found = obstore.get(self._store, key, options={"if_none_match": tag} if tag else {})
                return bytes(found.bytes()), found.meta["e_tag"] or ""
        except Unavailable as error:
            if isinstance(error.__cause__, NotModifiedError):
                return None
            raise

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
    def size(self, key: str) -> int:
        _check(key)
        try:
            with self._translated(key):
                return obstore.head(self._store, key)["size"]
        except NotFound:
            if self._folder is not None:
                raise
        with self._translated(key):  # unlike HEAD, GET distinguishes a missing key from a missing bucket
            return obstore.get(self._store, key).meta["size"]

    @override
    def exists(self, key: str) -> bool:
        try:
            self.size(key)
        except NotFound:
            return False
        return True

    @override
    def keys(self, prefix: str, before: datetime | None = None) -> Iterator[str]:
        _check_prefix(prefix)
        with self._translated(prefix):
            for batch in obstore.list(self._store, prefix=prefix):
                yield from (entry["path"] for entry in batch if before is None or entry["last_modified"] < before)

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
            # Folders and partial files of a killed put are not keys.
            shutil.rmtree(self._folder / prefix, ignore_errors=True)

    @override
    def delete_incomplete(self, before: datetime) -> None:
        if self._folder is None:
            return  # a lifecycle rule of the object store deletes incomplete uploads
        for path in self._folder.rglob("*#*"):
            with suppress(FileNotFoundError):
                if _PART.search(path.name) and path.is_file() and path.stat().st_mtime < before.timestamp():
                    path.unlink()

    @override
    def sign(self, key: str, seconds: int) -> str | None:
        _check(key)
        if not isinstance(self._public, S3Store | GCSStore | AzureStore):
            return None
        with self._translated(key):
            return obstore.sign(self._public, "GET", key, timedelta(seconds=seconds))

    @override
    def ping(self) -> None:
        self.exists("ping")

    def _attributes(self, key: str) -> Attributes | None:
        """The content type, for browsers that read from the store; None for local files."""
        kind = mimetypes.guess_type(key)[0]
        return None if self._folder is not None or kind is None else {"Content-Type": kind}

    def _delete_each(self, keys: list[str]) -> None:
        """Delete one by one, because some stores stop at the first unknown key."""
        for key in keys:
            with suppress(NotFound), self._translated(key):
                obstore.delete(self._store, key)

    def _translated(self, key: str) -> AbstractContextManager[None]:
        return translated(self._name, key, self._folder)


def _read_changed(path: Path, tag: str | None) -> tuple[bytes, str] | None:
    """`Blobs.get_changed` of a file, in microseconds if it is unchanged."""
    if tag is not None and tag == _tag(path.stat()):
        return None
    with path.open("rb") as file:
        return file.read(), _tag(os.fstat(file.fileno()))


def _tag(found: os.stat_result) -> str:
    return f"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"


def _check(key: str) -> None:
    parts = key.split("/")
    if not key or "\x00" in key or "\\" in key or any(part in ("", ".", "..") for part in parts):
        raise InvalidInput(
            f"blob key {key!r} is not valid: parts between '/' must not be empty, '.' or '..', without backslash or NUL"
        )


def _check_prefix(prefix: str) -> None:
    if not prefix.endswith("/"):
        raise InvalidInput(f"blob prefix {prefix!r} must end with '/'")
    _check(prefix[:-1])
