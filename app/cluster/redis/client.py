"""A client of Redis for jobs and locks: how long it waits, and what the errors of any client mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, RedisError, TimeoutError  # noqa: A004 - its own ones
from redis.retry import Retry

from app.errors import Unavailable

KEYS = "dyad:"
"""All keys of Dyad's own begin so; the broker's are Celery's."""
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
HURRIED_SECONDS = 2.0
"""The same for those whom somebody waits for."""
LONGEST_PAUSE = 1.0


def connect(url: str, patience: float = 0.0) -> Redis:
    """A client, which is shared by all threads and connects when it is first used.

    patience: about how many seconds a call goes on trying while Redis is away; it tries twice at least. Without any it does not
        wait long for an answer either.
    """
    retry = Retry(ExponentialBackoff(cap=LONGEST_PAUSE, base=0.05), max(1, round(patience / LONGEST_PAUSE)))
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS if patience else HURRIED_SECONDS,
        health_check_interval=30,
        retry=retry,
        retry_on_error=[ConnectionError, TimeoutError, BusyLoadingError],
    )


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise `Unavailable` for whatever Redis is at fault for."""
    try:
        yield
    except RedisError as error:
        raise Unavailable(f"{what}: Redis does not answer ({' '.join(str(error).split())[:200]})") from error
