"""Storage of bytes by key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol


class Blobs(Protocol):
    """Bytes by key (`collections/ucm/images/...`). A put is atomic: readers see the old or the new bytes, never a part.

    Every method raises `Unavailable` if the store is missing, refuses access or does not answer; it never appears empty.
    """

    def put(self, key: str, data: bytes | Path) -> None:
        """Store bytes, or the content of a file (streamed).

        Raises:
            OutOfSpace: the disk is full.
        """

    def get(self, key: str) -> bytes:
        """Read the bytes of a key.

        Raises:
            NotFound: no such key.
        """

    def get_changed(self, key: str, tag: str | None) -> tuple[bytes, str] | None:
        """The bytes of a key with their tag, which changes with them; None if the tag is the given one.

        Raises:
            NotFound: no such key.
        """

    def fetch(self, key: str, target: Path) -> None:
        """Stream the bytes of a key to the new file `target`, which is removed on failure.

        Raises:
            NotFound: no such key. OutOfSpace: the disk of `target` is full. OSError: the file exists, or cannot be created.
        """

    def size(self, key: str) -> int:
        """Number of bytes of a key.

        Raises:
            NotFound: no such key.
        """

    def exists(self, key: str) -> bool:
        """Whether the key exists."""

    def keys(self, prefix: str, before: datetime | None = None) -> Iterator[str]:
        """All keys under a prefix that ends with `/`. before: only keys last put before this instant (aware)."""

    def delete(self, keys: Iterable[str]) -> None:
        """Delete keys; unknown ones are ignored."""

    def delete_prefix(self, prefix: str) -> None:
        """Delete every key under a prefix that ends with `/`."""

    def delete_incomplete(self, before: datetime) -> None:
        """Delete the remains of puts that began before an aware instant and did not finish (a killed process, a full disk)."""

    def sign(self, key: str, seconds: int) -> str | None:
        """A signed URL that reads the key without credentials for `seconds`; None if the store cannot sign. Existence of the
        key is not checked.
        """

    def ping(self) -> None:
        """Return if the store answers, else raise `Unavailable`."""
