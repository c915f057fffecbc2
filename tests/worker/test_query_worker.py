"""A query to a worker of Celery's, a process of its own, and back: Redis and Celery are the real ones."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from app.cluster.inference.queries import QuerySender, connect_bytes
from app.cluster.inference.remote_inference import RemoteQueries
from app.inference.local_models import BUNDLED
from app.inference.onnx import OnnxInference
from tests.support.query_worker import QUEUE, query_worker
from tests.support.redis import RedisServer

SHIPPED = BUNDLED / "dyad-rgb-128"


class Counting(QuerySender):
    """Notes how many tiles each batch has that was answered."""

    answered: list[int]

    def __call__(self, card, tiles, seconds):  # type: ignore[no-untyped-def]
        answer = super().__call__(card, tiles, seconds)
        self.answered.append(len(tiles))
        return answer


def test_queries_are_answered_by_a_worker_together_and_here_once_it_is_gone(
    require_program: Callable[[str], Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    require_program("redis-server")
    local = OnnxInference(SHIPPED, threads=1)
    tiles = np.random.default_rng(0).integers(0, 256, (16, 128, 128, 3), dtype=np.uint8)
    wanted = local.embed(tiles).embedding
    with RedisServer(tmp_path) as redis, connect_bytes(redis.url) as client:
        with query_worker(redis.url) as celery:
            sender = Counting(client, celery.send_task, queue=QUEUE)
            sender.answered = []
            queries = RemoteQueries(sender, deadline=30, rest=1000)
            model = queries.open(SHIPPED, 1)
            with ThreadPoolExecutor(16) as pool:
                found = list(pool.map(lambda row: model.embed(tiles[row : row + 1]).embedding[0], range(16)))
            assert sum(sender.answered) == 16
            assert len(sender.answered) < 16, "some went together"
            assert (np.stack(found) * wanted).sum(axis=1).min() > 0.999
        gone = RemoteQueries(sender, deadline=0.2, rest=1000).open(SHIPPED, 1)
        np.testing.assert_array_equal(gone.embed(tiles[:1]).embedding, local.embed(tiles[:1]).embedding)
        assert sum(sender.answered) == 16
        assert "queries are embedded in this process" in caplog.text
