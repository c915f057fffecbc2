from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from app.cluster.inference.micro_batches import Answer, MicroBatcher
from app.domain.origin import Origin, coming_from, origin
from app.domain.tiles import Embeddings
from app.errors import Unavailable
from app.inference.handcrafted import hog, lbp
from models.bundle.card import ModelCard

SECONDS = 60.0


def question(number: int, count: int = 1) -> NDArray[np.uint8]:
    return np.full((count, 4, 4, 3), number, np.uint8)


class Worker:
    """Answers with what it was asked, when it is let."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_answer = threading.Event()
        self.was_asked = threading.Semaphore(0)

    def __call__(self, card: ModelCard, tiles: NDArray[np.uint8], seconds: float) -> Answer:
        self.batches.append([int(tile[0, 0, 0]) for tile in tiles])
        self.was_asked.release()
        assert self.may_answer.wait(SECONDS)
        found = tiles[:, 0, 0].astype(np.float32)
        return Embeddings(found, found.astype(np.float16), tiles[:, 0, 0]), found


def ask_while_busy(
    batcher: MicroBatcher, worker: Worker, pool: ThreadPoolExecutor, *asked: tuple[ModelCard, int, int]
) -> list[Future[Answer]]:
    """Keep the one flight busy with question 0, gather the others in their order, and let the worker answer."""
    first = pool.submit(batcher.ask, hog.CARD, question(0), SECONDS)
    assert worker.was_asked.acquire(timeout=SECONDS)
    rest = []
    for number, (card, value, count) in enumerate(asked, start=1):
        rest.append(pool.submit(batcher.ask, card, question(value, count), SECONDS))
        while len(batcher._waiting) < number:
            time.sleep(0.001)
    worker.may_answer.set()
    return [first, *rest]


def test_what_is_asked_while_others_are_on_their_way_goes_together_and_comes_apart_again() -> None:
    worker = Worker()
    batcher = MicroBatcher(worker, flights=1)
    with ThreadPoolExecutor(8) as pool:
        answers = ask_while_busy(batcher, worker, pool, *((hog.CARD, value, 1 + value % 2) for value in range(1, 6)))
        for value, answer in enumerate(answers):
            made, query_features = answer.result(SECONDS)
            assert query_features is not None
            assert made.feature is not None
            assert made.pair is not None
            for rows in (made.embedding, made.feature, made.pair, query_features):
                assert rows.shape == (1 + value % 2, 3)
                assert (rows == value).all()
    assert worker.batches == [[0], [1, 1, 2, 3, 3, 4, 5, 5]]


def test_a_batch_comes_from_all_requests_that_are_in_it() -> None:
    seen: list[Origin] = []

    class Noting(Worker):
        def __call__(self, card: ModelCard, tiles: NDArray[np.uint8], seconds: float) -> Answer:
            seen.append(origin())
            return super().__call__(card, tiles, seconds)

    class Asker(MicroBatcher):
        def ask(self, card: ModelCard, tiles: NDArray[np.uint8], seconds: float) -> Answer:
            number = int(tiles[0, 0, 0, 0])
            with coming_from(request_id=f"r-{number}", traceparent=f"t-{number}"):
                return super().ask(card, tiles, seconds)

    worker = Noting()
    batcher = Asker(worker, flights=1)
    with ThreadPoolExecutor(4) as pool:
        for answer in ask_while_busy(batcher, worker, pool, (hog.CARD, 1, 1), (hog.CARD, 2, 1), (hog.CARD, 1, 1)):
            answer.result(SECONDS)
    assert seen == [Origin(request_id="r-0", traceparent="t-0"), Origin(request_id="r-1,r-2", traceparent="t-1")]


def test_a_batch_is_of_one_model_and_not_too_large() -> None:
    worker = Worker()
    batcher = MicroBatcher(worker, flights=1, max_tiles=3)
    with ThreadPoolExecutor(8) as pool:
        asked = ((hog.CARD, 1, 2), (lbp.CARD, 2, 1), (hog.CARD, 3, 2), (hog.CARD, 4, 1))
        for answer in ask_while_busy(batcher, worker, pool, *asked):
            answer.result(SECONDS)
    assert worker.batches == [[0], [1, 1, 4], [2], [3, 3]]


def test_a_question_that_nobody_waits_for_any_more_is_not_sent() -> None:
    worker = Worker()
    batcher = MicroBatcher(worker, flights=1)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(batcher.ask, hog.CARD, question(0), SECONDS)
        assert worker.was_asked.acquire(timeout=SECONDS)
        with pytest.raises(Unavailable, match=r"within 0\.01 s"):
            batcher.ask(hog.CARD, question(1), 0.01)
        worker.may_answer.set()
        first.result(SECONDS)
    batcher.ask(hog.CARD, question(2), SECONDS)
    assert worker.batches == [[0], [2]]


def test_what_goes_wrong_is_told_to_all_of_a_batch_and_the_next_goes_well() -> None:
    calls = iter([Unavailable("nobody is there"), None])

    def send(card: ModelCard, tiles: NDArray[np.uint8], seconds: float) -> Answer:
        if (error := next(calls)) is not None:
            raise error
        return Embeddings(np.zeros((len(tiles), 2), np.float32)), None

    batcher = MicroBatcher(send, flights=1)
    with pytest.raises(Unavailable, match="nobody is there"):
        batcher.ask(hog.CARD, question(1), SECONDS)
    assert len(batcher.ask(hog.CARD, question(1), SECONDS)[0]) == 1


def test_too_few_answers_are_none() -> None:
    batcher = MicroBatcher(lambda card, tiles, seconds: (Embeddings(np.zeros((1, 2), np.float32)), None))
    with pytest.raises(Unavailable, match="1 instead of 2"):
        batcher.ask(hog.CARD, question(1, 2), SECONDS)


def test_closing_refuses_what_waits() -> None:
    worker = Worker()
    batcher = MicroBatcher(worker, flights=1)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(batcher.ask, hog.CARD, question(0), SECONDS)
        assert worker.was_asked.acquire(timeout=SECONDS)
        second = pool.submit(batcher.ask, hog.CARD, question(1), SECONDS)
        while not batcher._waiting:
            time.sleep(0.001)
        batcher.close()
        with pytest.raises(Unavailable, match="shutting down"):
            second.result(SECONDS)
        worker.may_answer.set()
        assert first.result(SECONDS)[1] is not None
    with pytest.raises(Unavailable, match="shutting down"):
        batcher.ask(hog.CARD, question(2), SECONDS)
