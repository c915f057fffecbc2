"""Reads the messages at the broker from kombu's own keys in Redis, because Celery cannot list the messages of a queue.

See docs/cluster-internals.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from redis import Redis

from app.cluster.celery.settings import PRIORITIES, PRIORITY_SEPARATOR, QUEUES
from app.cluster.redis.client import translated

UNACKED = "unacked"


class Broker:
    """Read-only. client: of the Redis of `DYAD_BROKER_URL`; closed with this object."""

    def __init__(self, client: Redis) -> None:
        self._client: Any = client

    def task_ids(self, before: datetime) -> set[str]:
        """Ids of all waiting and unfinished tasks, without those that start later than `before`.

        Raises:
            Unavailable: Redis does not answer.
        """
        return {str(message["headers"]["id"]) for message in self._messages() if not _begins_after(message, before)}

    def depths(self) -> dict[str, int]:
        """Number of waiting tasks in each queue.

        Raises:
            Unavailable: Redis does not answer.
        """
        with translated("broker"):
            return {queue: sum(self._client.llen(key) for key in _keys(queue)) for queue in QUEUES}

    def close(self) -> None:
        """Close the client."""
        self._client.close()

    def _messages(self) -> Iterator[dict[str, Any]]:
        with translated("broker"):
            # A message moves from its queue to the unacknowledged ones, so these are read last.
            for queue in QUEUES:
                for key in _keys(queue):
                    yield from map(json.loads, self._client.lrange(key, 0, -1))
            for entry in self._client.hvals(UNACKED):
                yield json.loads(entry)[0]


def _keys(queue: str) -> list[str]:
    return [f"{queue}{PRIORITY_SEPARATOR}{priority}" if priority else queue for priority in PRIORITIES]


def _begins_after(message: dict[str, Any], instant: datetime) -> bool:
    eta = message["headers"].get("eta")
    return eta is not None and datetime.fromisoformat(eta) > instant
