"""Keeps the tasks that a worker has from being given to another one, as long as it lives.

The broker gives a task that is not acknowledged within the visibility timeout to somebody else. Renewed like this, the timeout
may be short, so that the tasks of a dead worker are taken up within seconds, whatever the longest task takes.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from celery import bootsteps
from redis import Redis
from redis.exceptions import RedisError

from app.cluster.celery.settings import VISIBLE_SECONDS

log = logging.getLogger(__name__)

RENEW_SECONDS = VISIBLE_SECONDS / 5


class KeepTasks(bootsteps.StartStopStep):  # type: ignore[misc]
    """A thread of the worker's main process, from the connection's start to its end."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, parent: Any) -> None:
        """Begin to renew."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=_renew, args=(parent, self._stopping), name="dyad-keeper", daemon=True)
        self._thread.start()

    def stop(self, parent: Any) -> None:
        """The connection is gone, or the worker ends."""
        self._stopping.set()


def _renew(consumer: Any, stopping: threading.Event) -> None:
    channel = consumer.task_consumer.channel
    with Redis.from_url(consumer.app.conf.broker_url, decode_responses=True, socket_timeout=RENEW_SECONDS) as client:
        while not stopping.wait(RENEW_SECONDS):
            try:
                now = time.time()
                tags = dict.fromkeys(list(channel.qos._delivered), now)
                # Renewed later than now: before the clock was put back, by a worker that may be dead since.
                tags |= dict.fromkeys(client.zrangebyscore(channel.unacked_index_key, now + VISIBLE_SECONDS, "+inf"), now)
                if tags:
                    client.zadd(channel.unacked_index_key, tags, xx=True)
            except (RedisError, RuntimeError) as error:  # a task came or went while the list was made; or Redis is away
                log.debug("tasks are renewed a little later: %s", error)
