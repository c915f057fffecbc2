"""Collects queries of several threads into few batches."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.domain.origin import Origin, coming_from, origin
from app.domain.tiles import Embeddings
from app.errors import Unavailable
from models.bundle.card import ModelCard

MAX_TILES = 32
FLIGHTS = 2

Answer = tuple[Embeddings, NDArray[np.float32] | None]
"""The result of `Inference.examine`."""
Send = Callable[[ModelCard, NDArray[np.uint8], float], Answer]
"""Examines (N, S, S, B) uint8 tiles with a model within a number of seconds; raises `Unavailable` after that."""


@dataclass(slots=True)
class _Question:
    """deadline: by the monotonic clock. origin: of the request."""

    card: ModelCard
    tiles: NDArray[np.uint8]
    deadline: float
    origin: Origin = field(default_factory=origin)
    answer: Future[Answer] = field(default_factory=Future)

    def goes_with(self, other: _Question) -> bool:
        """Whether both can be in one batch."""
        return self.card.id == other.card.id and self.card.files == other.card.files


class MicroBatcher:
    """Sends batches, a few at a time. Thread-safe.

    While fewer than `flights` batches are in flight, a question is sent at once. Otherwise questions are collected and sent as
    one batch as soon as a batch returns. So no question waits for others, and batches grow with the load.
    """

    def __init__(self, send: Send, *, flights: int = FLIGHTS, max_tiles: int = MAX_TILES) -> None:
        self._send = send
        self._max_tiles = max_tiles
        self._waiting: deque[_Question] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._threads = [threading.Thread(target=self._fly, name=f"dyad-flight-{n}", daemon=True) for n in range(flights)]
        for thread in self._threads:
            thread.start()

    def ask(self, card: ModelCard, tiles: NDArray[np.uint8], seconds: float) -> Answer:
        """The answer to (N, S, S, B) uint8 tiles, N >= 1.

        Raises:
            Unavailable: no worker answered in time, or the batcher is closed.
        """
        question = _Question(card, tiles, time.monotonic() + seconds)
        with self._changed:
            if self._is_closed:
                raise Unavailable("the service is shutting down")
            self._waiting.append(question)
            self._changed.notify()
        try:
            return question.answer.result(seconds)
        except TimeoutError:
            question.answer.cancel()  # so that it is not sent
            raise Unavailable(f"no worker answered within {seconds:g} s") from None

    def close(self) -> None:
        """Refuse waiting questions; batches in flight may still be answered."""
        with self._changed:
            self._is_closed = True
            refused, self._waiting = list(self._waiting), deque()
            self._changed.notify_all()
        for question in refused:
            if question.answer.set_running_or_notify_cancel():
                question.answer.set_exception(Unavailable("the service is shutting down"))

    def _fly(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closed)
                if self._is_closed:
                    return
                batch = self._take()
            if batch:
                self._answer(batch)

    def _take(self) -> list[_Question]:
        """The oldest question and those that fit into its batch; cancelled questions are dropped."""
        batch: list[_Question] = []
        left: deque[_Question] = deque()
        for question in self._waiting:
            fits = not batch or (
                question.goes_with(batch[0]) and sum(len(each.tiles) for each in (*batch, question)) <= self._max_tiles
            )
            if not fits:
                left.append(question)
            elif question.answer.set_running_or_notify_cancel():
                batch.append(question)
        self._waiting = left
        return batch

    def _answer(self, batch: list[_Question]) -> None:
        latest = max(question.deadline for question in batch)
        try:
            tiles = np.concatenate([question.tiles for question in batch])
            with _coming_from_all(batch):
                made, query_features = self._send(batch[0].card, tiles, max(0.001, latest - time.monotonic()))
            if len(made) != len(tiles):
                raise Unavailable(f"a worker returned embeddings of {len(made)} instead of {len(tiles)} tiles")
        except Exception as error:  # noqa: BLE001 - raised by the callers of `ask`
            for question in batch:
                question.answer.set_exception(error)
            return
        start = 0
        for question in batch:
            rows = slice(start, start + len(question.tiles))
            start = rows.stop
            question.answer.set_result((made.rows(rows), None if query_features is None else query_features[rows]))


def _coming_from_all(batch: list[_Question]) -> AbstractContextManager[None]:
    """A batch is logged with the ids of all its requests, and traced as a part of the first one."""
    ids = dict.fromkeys(question.origin.request_id for question in batch if question.origin.request_id is not None)
    return coming_from(request_id=",".join(ids) or None, traceparent=batch[0].origin.traceparent)
