"""Limits the memory that all decoding in a process takes at one time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import Busy

DEFAULT_BYTES = 768 << 20
QUERY_SECONDS = 5.0
"""How long a request waits for memory before it is refused."""


class DecodeBudget:
    """A semaphore in bytes. Thread-safe. A request for more than the whole budget waits until it can have all of it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._changed = threading.Condition()

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self._size

    def resize(self, size: int) -> None:
        """Set the size in bytes; what is held stays held."""
        with self._changed:
            self._size = size
            self._changed.notify_all()

    @contextmanager
    def hold(self, size: int, seconds: float | None = None) -> Iterator[None]:
        """Hold `size` bytes within the block; wait at most `seconds`, None: until they are free.

        Raises:
            Busy: they are not free in time.
        """
        taken = self._take(size, seconds)
        try:
            yield
        finally:
            with self._changed:
                self._used -= taken
                self._changed.notify_all()

    def _take(self, size: int, seconds: float | None) -> int:
        deadline = None if seconds is None else time.monotonic() + seconds
        with self._changed:
            while self._used and self._used + min(size, self._size) > self._size:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise Busy(
                        f"decoding this image takes {max(1, size >> 20)} MiB, and the memory for decoding (DYAD_DECODE_MB, "
                        f"{self._size >> 20} MiB) is in use by other requests; repeat the request, or send a smaller image"
                    )
                self._changed.wait(left)
            taken = min(size, self._size)
            self._used += taken
        return taken


BUDGET = DecodeBudget(DEFAULT_BYTES)
"""The budget of this process, as GDAL's block cache is one for the process; `resize` sets it from DYAD_DECODE_MB."""
