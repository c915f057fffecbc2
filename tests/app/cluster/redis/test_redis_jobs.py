"""Jobs in a Redis that hangs for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError, TimeoutError  # noqa: A004 - its own ones
from redis.retry import Retry

from app.cluster.redis.redis_jobs import RedisJobStore
from app.domain.jobs import Job
from app.errors import Conflict
from tests.support.redis import RedisServer

ANSWER_SECONDS = 0.2
NOW = datetime.now(UTC)


@pytest.fixture
def server(require_program: Callable[[str], Path], tmp_path: Path) -> Iterator[RedisServer]:
    require_program("redis-server")
    with RedisServer(tmp_path) as made:
        yield made


def test_a_job_whose_creation_is_sent_twice_is_created_once(server: RedisServer) -> None:
    client = Redis.from_url(
        server.url,
        decode_responses=True,
        socket_timeout=ANSWER_SECONDS,
        retry=Retry(ConstantBackoff(0.05), 20),
        retry_on_error=[ConnectionError, TimeoutError],
    )
    store, job = RedisJobStore(client), Job(id="a", kind="ingest", created=NOW, updated=NOW)
    client.ping()
    errors: list[Exception] = []

    def create() -> None:
        try:
            store.create(job)
        except Conflict as error:
            errors.append(error)

    server.freeze()
    creating = threading.Thread(target=create)
    creating.start()
    time.sleep(3 * ANSWER_SECONDS)
    server.thaw()
    creating.join()
    assert errors == []
    assert [job.id for job in store.list()] == ["a"]
    with pytest.raises(Conflict):
        store.create(job)
    store.close()
