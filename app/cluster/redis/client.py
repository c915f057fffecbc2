"""The Redis client for jobs and locks: timeouts, retries, and conversion of errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, RedisError, TimeoutError  # noqa: A004 - its own ones
from redis.retry import Retry

from app.errors import Unavailable

KEYS = "dyad:"
"""Prefix of all keys of Dyad; keys of the broker are Celery's."""
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
HURRIED_SECONDS = 2.0
"""Like `ANSWER_SECONDS`, for requests."""
LONGEST_PAUSE = 1.0


def connect(url: str, patience: float = 0.0) -> Redis:
    """Create a client, which is thread-safe and connects on first use.

    patience: about how many seconds a call is retried while Redis is unavailable; it is tried at least twice. With 0 the
    timeout of
        an answer is shorter, too.
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
    """Convert errors of Redis to `Unavailable`. what: prefix of the message."""
    try:
        yield
    except RedisError as error:
        raise Unavailable(f"{what}: Redis does not answer ({' '.join(str(error).split())[:200]})") from error
