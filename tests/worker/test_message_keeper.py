"""What keeps a living worker's tasks its own, and frees a dead one's."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

from redis import Redis

from app.cluster.celery.settings import VISIBLE_SECONDS
from tests.support.redis import RedisServer
from worker import message_keeper

HOUR = 3600


def test_tasks_of_the_living_are_renewed_and_those_of_a_clock_put_back_are_not_kept_for_longer(
    redis_server: RedisServer,
) -> None:
    began = time.time()
    with Redis.from_url(redis_server.url, decode_responses=True) as client:
        client.zadd("unacked_index", {"own": began - 5, "dead": began - 5, "dead since the clock leapt": began + HOUR})
        qos = SimpleNamespace(_delivered={"own": object()})
        channel = SimpleNamespace(qos=qos, unacked_index_key="unacked_index")
        app = SimpleNamespace(conf=SimpleNamespace(broker_url=redis_server.url))
        stopping = threading.Event()
        consumer = SimpleNamespace(task_consumer=SimpleNamespace(channel=channel), app=app)
        thread = threading.Thread(target=message_keeper._renew, args=(consumer, stopping))
        thread.start()
        deadline = began + 20
        while (client.zscore("unacked_index", "own") or 0) < began and time.time() < deadline:
            time.sleep(0.05)
        stopping.set()
        thread.join()
        scores = dict(client.zrange("unacked_index", 0, -1, withscores=True))
    assert scores["own"] >= began
    assert scores["dead"] == began - 5
    assert scores["dead since the clock leapt"] < time.time() + VISIBLE_SECONDS
