"""Where bytes are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol


class Blobs(Protocol):
    """Bytes by key (`collections/ucm/images/...`). A put is atomic: readers see the old or the new bytes, never a part.

    A store that is gone, refuses or is down is `Unavailable` for every method; it never looks empty.
    """

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

    def fetch(self, key: str, target: Path) -> None:
        """Write what the key holds to the new file `target`, streamed; the whole of it, or no file.

        Raises:
            NotFound: no such key. OutOfSpace: the disk of `target` is full. OSError: the file exists, or cannot be made.
        """

    def size(self, key: str) -> int:
        """How many bytes the key holds.

        Raises:
            NotFound: no such key.
        """

    def exists(self, key: str) -> bool:
        """Whether the key holds anything."""

    def keys(self, prefix: str, before: datetime | None = None) -> Iterator[str]:
        """All keys under a prefix that ends with `/`. before: only those last put before that instant (aware)."""

    def delete(self, keys: Iterable[str]) -> None:
        """Delete keys; unknown ones are ignored."""

    def delete_prefix(self, prefix: str) -> None:
        """Delete every key under a prefix that ends with `/`."""

    def delete_incomplete(self, before: datetime) -> None:
        """Delete the remains of puts that began before an aware instant and did not finish (a killed process, a full disk)."""

    def sign(self, key: str, seconds: int) -> str | None:
        """An address from which anybody may read the key for so long, there or not; None where the store gives none out."""

    def ping(self) -> None:
        """Return if the store answers, else raise `Unavailable`."""
