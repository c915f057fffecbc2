"""Where bytes are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol


class Blobs(Protocol):
    """Bytes by key (`collections/ucm/images/...`). A put is atomic: readers see the old or the new bytes, never a part."""

    def put(self, key: str, data: bytes | Path) -> None:
        """Store bytes, or the content of a file (streamed).

        Raises:
            OutOfSpace: the disk is full.
        """

    def get(self, key: str) -> bytes:
        """The bytes.

        Raises:
            NotFound: no such key.
        """

    def exists(self, key: str) -> bool:
        """Whether the key holds anything."""

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys under a prefix that ends with `/`."""

    def delete(self, keys: Iterable[str]) -> None:
        """Delete keys; unknown ones are ignored."""

    def delete_prefix(self, prefix: str) -> None:
        """Delete every key under a prefix that ends with `/`."""

    def ping(self) -> None:
        """Return if the store answers, else raise `Unavailable`."""
