"""One suite over every `Locks`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from app.cluster.redis.client import connect
from app.cluster.redis.redis_locks import RedisLocks
from app.errors import Busy
from app.ports import Locks
from app.stores.local_locks import LocalLocks

SECONDS = 180.0


@pytest.fixture(params=["local", "redis"])
def locks(request: pytest.FixtureRequest) -> Iterator[Locks]:
    made: Locks
    made = LocalLocks() if request.param == "local" else RedisLocks(connect(request.getfixturevalue("redis_server").url))
    yield made
    made.close()


def in_thread(work: threading.Thread) -> None:
    work.start()
    work.join(SECONDS)
    assert not work.is_alive()


def test_a_lock_is_held_within_its_block_only(locks: Locks) -> None:
    assert not locks.is_held("a")
    with locks.hold("a") as held:
        assert locks.is_held("a")
        assert not locks.is_held("b")
        assert not held.is_lost
        assert not held.has_lapsed
    assert not locks.is_held("a")


def test_an_error_lets_go(locks: Locks) -> None:
    with pytest.raises(ZeroDivisionError), locks.hold("a"):
        raise ZeroDivisionError
    with locks.hold("a", 0):
        assert locks.is_held("a")


def test_the_thread_within_may_enter_again(locks: Locks) -> None:
    with locks.hold("a"), locks.hold("b"), locks.hold("a", 0):
        assert locks.is_held("a")
    assert not locks.is_held("a")


def test_nobody_else_gets_it(locks: Locks) -> None:
    refused: list[str] = []

    def other() -> None:
        try:
            with locks.hold("a", 0.05):
                refused.append("had it")
        except Busy as error:
            refused.append(str(error))

    with locks.hold("a"):
        in_thread(threading.Thread(target=other))
    assert len(refused) == 1
    assert refused[0].startswith("a is in use by another")


def test_who_waits_comes_next(locks: Locks) -> None:
    order: list[str] = []
    waiting = threading.Event()

    def other() -> None:
        waiting.set()
        with locks.hold("a", SECONDS):
            order.append("second")

    thread = threading.Thread(target=other)
    with locks.hold("a"):
        thread.start()
        assert waiting.wait(SECONDS)
        time.sleep(0.05)
        order.append("first")
    thread.join(SECONDS)
    assert order == ["first", "second"]


def test_many_threads_take_turns(locks: Locks) -> None:
    inside, most, total = 0, 0, 0

    def work() -> None:
        nonlocal inside, most, total
        for _ in range(20):
            with locks.hold("a", SECONDS):
                inside += 1
                most = max(most, inside)
                total += 1
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert (most, total) == (1, 80)
