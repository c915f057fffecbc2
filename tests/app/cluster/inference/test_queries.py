"""Over a real Redis; the worker is a thread here, and a process of Celery's in tests/worker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from redis import Redis

from app.cluster.inference.queries import ANSWER, QUESTION, QuerySender, answer_query, connect_bytes
from app.domain.origin import Origin, coming_from, origin
from app.errors import Unavailable
from app.inference.local_models import BUNDLED, LocalModels
from app.ports import Inference, ModelProvider
from tests.support.redis import RedisServer

MODEL = "dyad-rgb-128"
TILES = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), dtype=np.uint8)
SECONDS = 8.0


@pytest.fixture(scope="module")
def server(require_program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    require_program("redis-server")
    with RedisServer(tmp_path_factory.mktemp("redis")) as running:
        yield running


WORKERS: list[threading.Thread] = []


@pytest.fixture
def client(server: RedisServer) -> Iterator[Redis]:
    """Open until the last worker is done with it: the asker may have its answer before the worker knows."""
    with connect_bytes(server.url) as found:
        yield found
        while WORKERS:
            WORKERS.pop().join()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> LocalModels:
    return LocalModels(tmp_path_factory.mktemp("models"), threads=1, bundled=BUNDLED)


def sender_to(client: Redis, work: Callable[..., object]) -> QuerySender:
    """Who asks a worker that is a thread."""

    def send_task(name: str, arguments: list[str], **options: object) -> None:
        WORKERS.append(threading.Thread(target=work, args=arguments))
        WORKERS[-1].start()

    return QuerySender(client, send_task)


def test_tiles_go_there_and_the_answer_comes_back(client: Redis, models: LocalModels) -> None:
    local = models.load(MODEL)
    send = sender_to(client, lambda *asked: answer_query(client, models, *asked))
    made, query_features = send(local.card, TILES, SECONDS)
    wanted, wanted_features = local.examine(TILES)
    np.testing.assert_array_equal(made.embedding, wanted.embedding)
    assert made.feature is not None
    assert made.feature.dtype == np.float16
    assert made.pair is not None
    assert wanted.pair is not None
    np.testing.assert_array_equal(made.pair, wanted.pair)
    assert query_features is not None
    assert wanted_features is not None
    np.testing.assert_array_equal(query_features, wanted_features)
    assert client.keys(f"{QUESTION}*") == client.keys(f"{ANSWER}*") == [], "nothing is left"


def test_the_worker_knows_whose_query_it_is(client: Redis, models: LocalModels) -> None:
    seen: list[Origin] = []

    class Noting:
        def load(self, model_id: str) -> Inference:
            seen.append(origin())
            return models.load(model_id)

    send = sender_to(client, lambda *asked: answer_query(client, cast(ModelProvider, Noting()), *asked))
    with coming_from(request_id="r-1", traceparent="00-1-2-01"):
        send(models.load(MODEL).card, TILES, SECONDS)
    assert seen == [Origin(request_id="r-1", traceparent="00-1-2-01")]


def test_without_a_worker_it_is_given_up_at_the_deadline_and_nothing_is_left(client: Redis, models: LocalModels) -> None:
    send = sender_to(client, lambda *asked: None)
    with pytest.raises(Unavailable, match=r"no worker answered within 0\.1 s"):
        send(models.load(MODEL).card, TILES, 0.1)
    assert client.keys(f"{QUESTION}*") == []


def test_a_worker_that_comes_too_late_does_nothing(client: Redis, models: LocalModels) -> None:
    assert not answer_query(client, models, "long-ago", MODEL, "")
    assert client.keys(f"{ANSWER}*") == []


def test_what_a_worker_cannot_do_is_told(client: Redis, models: LocalModels) -> None:
    card = models.load(MODEL).card
    send = sender_to(client, lambda *asked: answer_query(client, models, *asked))
    with pytest.raises(Unavailable, match="a worker refused: there is no model 'unheard'"):
        send(card.model_copy(update={"id": "unheard"}), TILES, SECONDS)
    with pytest.raises(Unavailable, match="on this worker has another encoder"):
        send(card.model_copy(update={"files": {"encoder.onnx": "0" * 64}}), TILES, SECONDS)


def test_an_answer_of_another_version_is_told(client: Redis, models: LocalModels) -> None:
    send = sender_to(client, lambda request, *_: client.rpush(ANSWER + request, b"+what"))
    with pytest.raises(Unavailable, match="cannot be read"):
        send(models.load(MODEL).card, TILES, SECONDS)


def test_a_redis_that_is_away_is_told(tmp_path: Path, models: LocalModels) -> None:
    with connect_bytes(RedisServer(tmp_path).url) as client, pytest.raises(Unavailable, match="the broker does not answer"):
        sender_to(client, lambda *_: None)(models.load(MODEL).card, TILES, SECONDS)
