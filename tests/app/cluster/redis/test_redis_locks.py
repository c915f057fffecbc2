"""Leases: processes that die, and a Redis that goes away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.cluster.redis.client import connect
from app.cluster.redis.redis_locks import RedisLocks
from app.errors import Busy, Unavailable
from tests.support.redis import RedisServer

LEASE = 0.5
SECONDS = 180.0


@pytest.fixture
def server(require_program: Callable[[str], Path], tmp_path: Path) -> Iterator[RedisServer]:
    require_program("redis-server")
    with RedisServer(tmp_path) as made:
        yield made


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_processes_keep_each_other_out_for_as_long_as_it_takes(redis_server: RedisServer) -> None:
    one, other = (RedisLocks(connect(redis_server.url), LEASE) for _ in range(2))
    with one.hold("a") as held:
        time.sleep(3 * LEASE)
        with pytest.raises(Busy, match="another process"), other.hold("a", 0):
            pass
        assert (held.is_lost, held.has_lapsed) == (False, False)
    with other.hold("a", 0):
        assert one.is_held("a")
    one.close()
    other.close()


def test_the_lock_of_a_dead_process_is_free_soon(redis_server: RedisServer) -> None:
    dead, other = (RedisLocks(connect(redis_server.url), LEASE) for _ in range(2))
    with dead.hold("a") as held:
        dead.close()  # nobody renews it any more
        with other.hold("a", SECONDS):
            assert held.has_lapsed
    other.close()


def test_a_lock_outlives_a_redis_that_forgot_it_but_says_so(server: RedisServer) -> None:
    one, other = (RedisLocks(connect(server.url), LEASE) for _ in range(2))
    with one.hold("a") as held:
        server.kill()
        until(lambda: held.has_lapsed)
        with pytest.raises(Unavailable, match="Redis does not answer"), other.hold("b"):
            pass
        server.start()
        until(lambda: other.is_held("a"))
        assert (held.is_lost, held.has_lapsed) == (False, True)
        with pytest.raises(Busy), other.hold("a", 0):
            pass
    assert not other.is_held("a")
    one.close()
    other.close()


def test_a_clock_of_redis_that_leaps_takes_no_lock_from_the_living(redis_server: RedisServer) -> None:
    one, other = (RedisLocks(connect(redis_server.url), LEASE) for _ in range(2))
    with one.hold("a") as held:
        for _ in range(3):
            redis_server.leap(3600)
            with pytest.raises(Busy), other.hold("a", 0):
                pass
        time.sleep(LEASE)
        assert (held.is_lost, held.has_lapsed) == (False, False)
    with other.hold("a", 0):
        pass
    one.close()
    other.close()


def test_a_clock_of_redis_that_is_put_back_keeps_no_lock_of_the_dead(redis_server: RedisServer) -> None:
    dead, other = (RedisLocks(connect(redis_server.url), LEASE) for _ in range(2))
    with dead.hold("a"):
        dead.close()
        redis_server.leap(-3600)
        with other.hold("a", SECONDS):
            pass
    other.close()


def test_a_lock_that_somebody_else_took_is_lost(redis_server: RedisServer) -> None:
    one, other = (RedisLocks(connect(redis_server.url), LEASE) for _ in range(2))
    with one.hold("a") as held:
        redis_server.forget()
        with other.hold("a", SECONDS):
            until(lambda: held.is_lost)
            assert held.has_lapsed
    one.close()
    other.close()
