"""Transport of a query to a worker and back: tiles and answer through Redis, the task through Celery.

The tiles are not part of the task: Celery's messages are JSON, and a worker that is too late must not read them at all. They
are stored under a key that expires at the deadline; the answer is pushed to a list of its own, on which the sender waits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from redis import Redis
from redis.exceptions import RedisError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from app.domain.origin import carried, coming_from
from app.domain.tiles import Embeddings
from app.errors import DyadError, NotFound, Unavailable
from app.ports import ModelProvider
from app.telemetry.tracing import span
from models.bundle.card import ModelCard
from models.bundle.files import ENCODER_FILE

log = logging.getLogger(__name__)

EMBED_QUERY = "dyad.embed_query"
QUESTION, ANSWER = "dyad:question:", "dyad:answer:"
CONNECT_SECONDS = 1.0
LONGEST_SECONDS = 10.0
KEEP_SECONDS = 10
"""An answer that was not fetched expires after this time."""
NO_ORIGIN: Mapping[str, str] = MappingProxyType({})
_GIVEN, _REFUSED = b"+", b"!"

SendTask = Callable[..., object]
"""`Celery.send_task`."""
Answer = tuple[Embeddings, NDArray[np.float32] | None]


def connect_bytes(url: str) -> Redis:
    """A client for arrays, which does not decode answers as text."""
    return Redis.from_url(url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=LONGEST_SECONDS + 1)


class QuerySender:
    """Sends tiles to a worker and waits for the answer. Thread-safe.

    client: from `connect_bytes`. send_task, options: send the task; the options set queue and priority.
    """

    def __init__(self, client: Redis, send_task: SendTask, **options: object) -> None:
        self._client: Any = client
        self._send_task = send_task
        self._options = options

    def __call__(self, card: ModelCard, tiles: NDArray[np.uint8], seconds: float) -> Answer:
        """The answer to (N, S, S, B) uint8 tiles.

        Raises:
            Unavailable: no worker answered in time, a worker refused, or Redis is unavailable.
        """
        from kombu.exceptions import KombuError  # comes with Celery, as `send_task` does

        seconds, request = min(seconds, LONGEST_SECONDS), uuid4().hex
        try:
            self._client.set(QUESTION + request, save({"tiles": np.ascontiguousarray(tiles)}), px=max(1, round(1000 * seconds)))
            self._send_task(
                EMBED_QUERY, [request, card.id, card.files.get(ENCODER_FILE, ""), carried()], task_id=request,
                ignore_result=True, expires=seconds, retry=False, **self._options,
            )  # fmt: skip
            found = self._client.blpop([ANSWER + request], timeout=seconds)
        except (RedisError, KombuError, OSError) as error:
            raise _unavailable(error) from error
        if found is None:
            raise Unavailable(f"no worker answered within {seconds:.2g} s")
        return _unpacked(found[1])

    def close(self) -> None:
        """Release the client."""
        self._client.close()


def answer_query(
    client: Redis, models: ModelProvider, request: str, model_id: str, encoder: str, asker: Mapping[str, str] = NO_ORIGIN
) -> bool:
    """The worker's side: examine the tiles of a question and push the answer; False if the question had expired.

    encoder: sha256 of the sender's encoder; a worker with another encoder refuses. asker: the sender's origin, from `carried`.

    Raises:
        Unavailable: Redis is unavailable; the sender stops waiting at its deadline.
    """
    parent = asker.get("traceparent")
    with (
        coming_from(request_id=asker.get("request_id"), traceparent=parent),
        span("embed query", kind="CONSUMER", parent=parent, model=model_id),
    ):
        return _answer(client, models, request, model_id, encoder)


def _answer(client: Redis, models: ModelProvider, request: str, model_id: str, encoder: str) -> bool:
    redis: Any = client
    try:
        question = redis.get(QUESTION + request)
        if question is None:
            return False
        reply = _reply(models, question, model_id, encoder)
        with redis.pipeline() as pipe:
            pipe.rpush(ANSWER + request, reply)
            pipe.expire(ANSWER + request, KEEP_SECONDS)
            pipe.delete(QUESTION + request)
            pipe.execute()
    except RedisError as error:
        raise _unavailable(error) from error
    return True


def _reply(models: ModelProvider, question: bytes, model_id: str, encoder: str) -> bytes:
    try:
        model = models.load(model_id)
        if model.card.files.get(ENCODER_FILE, "") != encoder:
            raise NotFound(f"model {model_id!r} on this worker has another encoder; import the same bundle everywhere")
        return _packed(*model.examine(load(question)["tiles"]))
    except DyadError as error:
        log.warning("query refused: %s", error)
        return _REFUSED + str(error).encode()


def _packed(made: Embeddings, query_features: NDArray[np.float32] | None) -> bytes:
    found = {"embedding": made.embedding, "feature": made.feature, "pair": made.pair, "half": query_features}
    return _GIVEN + save({name: np.ascontiguousarray(array) for name, array in found.items() if array is not None})


def _unpacked(reply: bytes) -> Answer:
    if reply.startswith(_REFUSED):
        raise Unavailable(f"a worker refused: {reply[len(_REFUSED) :].decode(errors='replace')}")
    try:
        found = load(reply.removeprefix(_GIVEN))
        made = Embeddings(found["embedding"], found.get("feature"), found.get("pair"))
    except (SafetensorError, KeyError, ValueError) as error:
        raise Unavailable(f"a worker's answer cannot be read ({error}); run the same version of Dyad everywhere") from None
    return made, found.get("half")


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(f"the workers cannot be reached: the broker does not answer ({' '.join(str(error).split())[:200]})")
