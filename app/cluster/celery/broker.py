"""What waits at the broker, read from Celery's own lists in Redis."""

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
    """Looks, and changes nothing. client: speaks with the Redis of `DYAD_BROKER_URL`; closed with this."""

    def __init__(self, client: Redis) -> None:
        self._client: Any = client

    def task_ids(self, before: datetime) -> set[str]:
        """Ids of all tasks that wait or that a worker has and did not finish, but those that are to begin later than `before`.

        Raises:
            Unavailable: Redis does not answer.
        """
        return {str(message["headers"]["id"]) for message in self._messages() if not _begins_after(message, before)}

    def depths(self) -> dict[str, int]:
        """How many tasks wait in each queue.

        Raises:
            Unavailable: Redis does not answer.
        """
        with translated("broker"):
            return {queue: sum(self._client.llen(key) for key in _keys(queue)) for queue in QUEUES}

    def close(self) -> None:
        """Release the client."""
        self._client.close()

    def _messages(self) -> Iterator[dict[str, Any]]:
        with translated("broker"):
            # What is taken goes from a queue to those without an answer, so that list is read last.
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
