"""Locks of a cluster: leases in Redis, renewed by a thread as long as their holder lives."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from redis import Redis
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

from app.errors import Busy
from app.ports import Held
from app.redis_client import KEYS, translated
from app.stores.locks_local import LocalLocks

LEASE_SECONDS = 6.0
"""After this long without a sign of life a lock is free."""
PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.005
"""Between two looks at a lock that somebody else has: what is done under the locks here takes some ten times as long."""


class RedisHeld:
    """One lease. A gap in it, while Redis is away, is noted, and it is taken anew if nobody else has."""

    def __init__(self, lock: Lock, seconds: float) -> None:
        self._lock = lock
        self._seconds = seconds
        self._token = uuid.uuid4().hex
        self._renewed = 0.0
        self._guard = threading.Lock()
        self._is_over = False
        self._has_lapsed = False
        self.is_lost = False

    @property
    def has_lapsed(self) -> bool:
        """Whether there was, or is, a time in which it was not renewed soon enough."""
        return self._has_lapsed or time.monotonic() > self._renewed + self._seconds

    def take(self, seconds: float) -> bool:
        """Wait for it; whether it came in time."""
        deadline = time.monotonic() + seconds
        while not self._take_now():
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def renew(self) -> None:
        """Extend it; what stands in the way is noted and tried again by the next call."""
        with self._guard, suppress(RedisError):
            if self._is_over:
                return
            before = time.monotonic()
            self._has_lapsed = self.has_lapsed
            try:
                self._lock.extend(self._seconds, replace_ttl=True)
                self._renewed = before
            except LockError:
                self._has_lapsed = True
                self.is_lost = not self._take_now()

    def let_go(self) -> None:
        """Free it, if it is still this one's; what cannot be freed is free when the lease is over."""
        with self._guard, suppress(RedisError):
            self._is_over = True
            self._lock.release()

    def _take_now(self) -> bool:
        before = time.monotonic()
        taken = bool(self._lock.acquire(blocking=False, token=self._token))
        if taken:
            self._renewed = before
        return taken


class RedisLocks:
    """`Locks` among all processes that speak with one Redis, over a client of `app.redis_client`.

    lease: seconds after which the lock of a dead process is free. patience: how long to wait for a lock unless told otherwise.
    """

    def __init__(self, client: Redis, lease: float = LEASE_SECONDS, patience: float = PATIENCE_SECONDS) -> None:
        self._client = client
        self._lease = lease
        self._patience = patience
        self._threads = LocalLocks()
        self._guard = threading.Lock()
        self._held: dict[str, RedisHeld] = {}
        self._stopping = threading.Event()
        self._renewer: threading.Thread | None = None

    @contextmanager
    def hold(self, name: str, seconds: float | None = None) -> Iterator[Held]:
        """Hold a lock; see `Locks.hold`."""
        patience = self._patience if seconds is None else seconds
        before = time.monotonic()
        with self._threads.entering(name, patience) as depth:
            if depth > 1:
                yield self._held[name]
                return
            held = self._take(name, max(0.0, patience - (time.monotonic() - before)))
            try:
                yield held
            finally:
                with self._guard:
                    del self._held[name]
                held.let_go()

    def is_held(self, name: str) -> bool:
        """Whether any process holds it."""
        with translated("locks"):
            return bool(self._client.exists(_key(name)))

    def close(self) -> None:
        """Stop renewing, and close the client; what is still held runs out."""
        self._stopping.set()
        if self._renewer is not None:
            self._renewer.join()
        self._client.close()

    def _take(self, name: str, seconds: float) -> RedisHeld:
        held = RedisHeld(Lock(self._client, _key(name), timeout=self._lease, thread_local=False), self._lease)
        with translated("locks"):
            if not held.take(seconds):
                raise Busy(f"{name} is being worked on by another process; try again later")
        with self._guard:
            self._held[name] = held
            if self._renewer is None:
                self._renewer = threading.Thread(target=self._renew, name="dyad-locks", daemon=True)
                self._renewer.start()
        return held

    def _renew(self) -> None:
        while not self._stopping.wait(self._lease / 5):
            with self._guard:
                held = list(self._held.values())
            for each in held:
                each.renew()


def _key(name: str) -> str:
    return f"{KEYS}lock:{name}"
