"""Locks between the threads of one process.

Own code, because `threading.RLock` has no names: a lock exists only while a thread holds it or waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.errors import Busy
from app.ports import Held


@dataclass(slots=True)
class LocalHeld:
    """A lock of this process; it cannot be lost."""

    is_lost: bool = False
    has_lapsed: bool = False


@dataclass(slots=True)
class _Lock:
    """users: threads that hold it or wait for it; at 0 it is deleted. depth: nested holds of the thread that holds it."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    users: int = 0
    depth: int = 0


class LocalLocks:
    """`Locks` between the threads of this process."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, _Lock] = {}

    @contextmanager
    def hold(self, name: str, seconds: float | None = None) -> Iterator[Held]:
        """Hold a lock for the block. seconds: to wait for it (None: without limit); raises `Busy` after that."""
        with self.entering(name, seconds):
            yield LocalHeld()

    @contextmanager
    def entering(self, name: str, seconds: float | None = None) -> Iterator[int]:
        """Like `hold`, with the number of nested holds of this thread; 1 for the outermost block."""
        with self._guard:
            entry = self._locks.setdefault(name, _Lock())
            entry.users += 1
        try:
            if not entry.lock.acquire(timeout=-1 if seconds is None else seconds):
                raise Busy(f"{name} is in use by another operation; try again later")
            entry.depth += 1
            try:
                yield entry.depth
            finally:
                entry.depth -= 1
                entry.lock.release()
        finally:
            with self._guard:
                entry.users -= 1
                if entry.users == 0:
                    del self._locks[name]

    def is_held(self, name: str) -> bool:
        """Whether a thread holds it."""
        with self._guard:
            return name in self._locks and self._locks[name].depth > 0

    def close(self) -> None:
        """Do nothing: no resources are held."""
