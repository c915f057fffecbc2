"""Locks of a cluster: leases in Redis, renewed by a thread while their holder lives.

Own code instead of redis-py's `Lock`, because that is lost if Redis restarts or its clock is set forward, and stays if the
clock is set back; see docs/cluster-internals.md.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from redis import Redis
from redis.exceptions import RedisError

from app.cluster.redis.client import KEYS, translated
from app.errors import Busy
from app.ports import Held
from app.stores.local_locks import LocalLocks

LEASE_SECONDS = 6.0
"""A lock that is not renewed for so long is free."""
RENEWALS, GRACE = 8, 4
"""Fractions of a lease: it is renewed every 1/8, and an expired one is reserved for its holder for 1/4."""
MARK_SECONDS = 7 * 24 * 3600
"""Longer than any expected change of the clock."""
PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.005
"""Interval of attempts to take a lock; the shortest operations under a lock take about ten times as long."""


HELD, REGAINED, LOST = range(3)
# KEYS: lock, mark. ARGV: token, lease, lifetime of a mark (ms), token of a holder that did not renew. A lock with more time
# left than a lease is from before the clock was set back.
_TAKE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
    if redis.call('PTTL', KEYS[1]) > tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
    return ''
end
local last = redis.call('GET', KEYS[2])
if last and last ~= ARGV[1] and last ~= ARGV[4] then return last end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
return ARGV[1]
"""
_RENEW = """
local holder, last = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])
if (holder and holder ~= ARGV[1]) or (last and last ~= ARGV[1]) then return 2 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
return last and 0 or 1
"""
_FREE = """
for i = 1, 2 do if redis.call('GET', KEYS[i]) == ARGV[1] then redis.call('DEL', KEYS[i]) end end
"""


class RedisHeld:
    """One lease. A gap while Redis is unavailable is recorded, and the lease is taken again unless another process has it.

    Beside the lock, which expires, there is a mark of its last holder, which only a release deletes. If neither exists, the
    lock was released. If only the mark exists, the lock has expired: its holder is dead, or the clock of Redis was set
    forward, so the next process first waits whether the holder renews it.
    """

    def __init__(self, client: Redis, name: str, seconds: float) -> None:
        self._keys = [_key(name), f"{KEYS}lock-mark:{name}"]
        self._take = client.register_script(_TAKE)
        self._extend = client.register_script(_RENEW)
        self._free = client.register_script(_FREE)
        self._seconds = seconds
        self._token = uuid.uuid4().hex
        self._times = [round(1000 * seconds), round(1000 * MARK_SECONDS)]
        self._renewed = 0.0
        self._guard = threading.Lock()
        self._is_over = False
        self._has_lapsed = False
        self.is_lost = False

    @property
    def has_lapsed(self) -> bool:
        """Whether the lease was or is not renewed in time, so that another process may have held it."""
        return self._has_lapsed or time.monotonic() > self._renewed + self._seconds

    def take(self, seconds: float) -> bool:
        """Wait up to `seconds` for the lease; whether it was taken."""
        deadline = time.monotonic() + seconds
        last, since = "", 0.0
        while True:
            before = time.monotonic()
            is_expired = last and before - since > self._seconds / GRACE
            answer = self._take(keys=self._keys, args=[self._token, *self._times, last if is_expired else ""])
            if answer == self._token:
                self._renewed = before
                return True
            if answer and answer != last:
                last, since = answer, before
            if not answer and before >= deadline:
                return False
            time.sleep(POLL_SECONDS)

    def renew(self) -> None:
        """Extend the lease; a failure is recorded and retried by the next call."""
        with self._guard, suppress(RedisError):
            if self._is_over:
                return
            before = time.monotonic()
            answer = self._extend(keys=self._keys, args=[self._token, *self._times])
            self._has_lapsed = self._has_lapsed or answer != HELD
            self.is_lost = answer == LOST
            if not self.is_lost:
                self._renewed = before

    def release(self) -> None:
        """Release the lease if it is still held; if Redis is unavailable, it expires."""
        with self._guard, suppress(RedisError):
            self._is_over = True
            self._free(keys=self._keys, args=[self._token])


class RedisLocks:
    """`Locks` between all processes that use the same Redis, over a client of `app.cluster.redis.client`.

    lease: seconds after which the lock of a dead process is free. patience: seconds to wait for a lock by default.
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
                held.release()

    def is_held(self, name: str) -> bool:
        """Whether any process holds it."""
        with translated("locks"):
            return bool(self._client.exists(_key(name)))

    def close(self) -> None:
        """Stop renewing and close the client; leases that are still held expire."""
        self._stopping.set()
        if self._renewer is not None:
            self._renewer.join()
        self._client.close()

    def _take(self, name: str, seconds: float) -> RedisHeld:
        held = RedisHeld(self._client, name, self._lease)
        with translated("locks"):
            if not held.take(seconds):
                raise Busy(f"{name} is in use by another process; try again later")
        with self._guard:
            self._held[name] = held
            if self._renewer is None:
                self._renewer = threading.Thread(target=self._renew, name="dyad-locks", daemon=True)
                self._renewer.start()
        return held

    def _renew(self) -> None:
        while not self._stopping.wait(self._lease / RENEWALS):
            with self._guard:
                held = list(self._held.values())
            for each in held:
                each.renew()


def _key(name: str) -> str:
    return f"{KEYS}lock:{name}"
