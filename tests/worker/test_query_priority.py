"""A query overtakes the chunks of an ingest that wait in the same queue; Redis, Celery and the worker are the real ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import generate_latest

from app.api.middleware.metrics import Metrics
from app.cluster.celery.celery_queue import CeleryQueue
from app.cluster.celery.settings import EMBED, SOONEST
from app.cluster.inference.queries import QuerySender, connect_bytes
from app.cluster.inference.remote_inference import RemoteQueries
from app.container import Container
from app.settings import load_settings
from tests.support.cluster import Cluster, until

MODEL = "dyad-rgb-128"
CHUNKS = 5
SECONDS = 90.0


def test_a_query_is_taken_before_the_chunks_that_waited_before_it(
    require_program: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_program("redis-server")
    monkeypatch.setattr("app.cluster.inference.queries.LONGEST_SECONDS", SECONDS)  # a worker starts meanwhile
    with Cluster(tmp_path) as cluster, ThreadPoolExecutor(1) as pool, connect_bytes(cluster.redis.url) as client:
        container = Container(load_settings(cluster.settings))
        queue, card = container.queue, container.models_provider.load(MODEL).card
        assert isinstance(queue, CeleryQueue)
        queue.send_chunks("a-job-that-has-ended", range(CHUNKS))
        sender = QuerySender(client, queue.send_task, queue=EMBED, priority=SOONEST)
        queries = RemoteQueries(sender, deadline=SECONDS)
        asked = pool.submit(queries.ask, card, np.zeros((1, card.input_size, card.input_size, 3), np.uint8))

        def waiting() -> bytes:
            return generate_latest(Metrics(container.job_store, container.depths).registry)

        until(lambda: f'dyad_queue_tasks{{queue="embed"}} {CHUNKS + 1}.0'.encode() in waiting(), "the query at the broker")
        cluster.worker()
        answer = asked.result(SECONDS)
        until(lambda: b'dyad_queue_tasks{queue="embed"} 0.0' in waiting(), "the chunks to be taken")
        queries.close()
        container.close()
        assert answer is not None
        assert answer[0].embedding.shape == (1, 128)
        taken = re.findall(r"Task (dyad\.\w+)\S* received", cluster.log.read_text())
        assert taken == ["dyad.embed_query", *["dyad.ingest_chunk"] * CHUNKS]
