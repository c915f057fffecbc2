"""Renewal of the visibility timeout: for tasks of running workers only."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

from redis import Redis

from app.cluster.celery.settings import VISIBLE_SECONDS
from tests.support.redis import RedisServer
from worker import visibility_renewal

HOUR = 3600


def test_own_tasks_are_renewed_and_scores_in_the_future_are_corrected(
    redis_server: RedisServer,
) -> None:
    began = time.time()
    with Redis.from_url(redis_server.url, decode_responses=True) as client:
        client.zadd("unacked_index", {"own": began - 5, "dead": began - 5, "dead before the clock was set back": began + HOUR})
        qos = SimpleNamespace(_delivered={"own": object()})
        channel = SimpleNamespace(qos=qos, unacked_index_key="unacked_index")
        app = SimpleNamespace(conf=SimpleNamespace(broker_url=redis_server.url))
        stopping = threading.Event()
        consumer = SimpleNamespace(task_consumer=SimpleNamespace(channel=channel), app=app)
        thread = threading.Thread(target=visibility_renewal._renew, args=(consumer, stopping))
        thread.start()
        deadline = began + 20
        while (client.zscore("unacked_index", "own") or 0) < began and time.time() < deadline:
            time.sleep(0.05)
        stopping.set()
        thread.join()
        scores = dict(client.zrange("unacked_index", 0, -1, withscores=True))
    assert scores["own"] >= began
    assert scores["dead"] == began - 5
    assert scores["dead before the clock was set back"] < time.time() + VISIBLE_SECONDS
