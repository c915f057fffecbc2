"""Renews the visibility timeout of a worker's tasks while the worker runs.

With Redis, kombu delivers a task that is not acknowledged within the visibility timeout to another worker. Because it is
renewed, the timeout can be short, and the tasks of a dead worker are delivered again within seconds, however long tasks take.
It uses kombu's private `qos._delivered` and its `unacked_index`: docs/cluster-internals.md explains why.
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


class RenewVisibility(bootsteps.StartStopStep):  # type: ignore[misc]
    """Runs a thread in the worker's main process while the connection to the broker is open."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, parent: Any) -> None:
        """Start the thread."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=_renew, args=(parent, self._stopping), name="dyad-visibility", daemon=True)
        self._thread.start()

    def stop(self, parent: Any) -> None:
        """Stop the thread, when the connection is lost or the worker shuts down."""
        self._stopping.set()


def _renew(consumer: Any, stopping: threading.Event) -> None:
    channel = consumer.task_consumer.channel
    with Redis.from_url(consumer.app.conf.broker_url, decode_responses=True, socket_timeout=RENEW_SECONDS) as client:
        while not stopping.wait(RENEW_SECONDS):
            try:
                now = time.time()
                tags = dict.fromkeys(list(channel.qos._delivered), now)
                # Scores in the future are from before the clock was set back; their worker may be dead.
                tags |= dict.fromkeys(client.zrangebyscore(channel.unacked_index_key, now + VISIBLE_SECONDS, "+inf"), now)
                if tags:
                    client.zadd(channel.unacked_index_key, tags, xx=True)
            except (RedisError, RuntimeError) as error:  # the dict changed during the copy, or Redis is unavailable
                log.debug("visibility of tasks is renewed at the next attempt: %s", error)
