"""Queries to the workers with `DYAD_INFERENCE=remote`; queries without an answer in time are embedded in this process."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from app.cluster.inference.micro_batches import Answer, MicroBatcher, Send
from app.domain.tiles import Embeddings
from app.errors import Unavailable
from app.inference.arrays import check_tiles
from app.inference.onnx import OnnxInference
from app.ports import Inference
from models.bundle.card import ModelCard
from models.bundle.graphs import output_dimensions

log = logging.getLogger(__name__)

DEADLINE_SECONDS = 0.25
PAUSE_SECONDS = 5.0
"""After a query without an answer, no query is sent to workers for this time, so that few searches wait in vain."""
MAX_TILES = 8
"""Largest number of tiles in a query; larger batches are embedded in this process."""


class RemoteQueries:
    """Sends queries to the workers for all models of a process. Thread-safe."""

    def __init__(self, send: Send, *, deadline: float = DEADLINE_SECONDS, rest: float = PAUSE_SECONDS) -> None:
        self._batcher = MicroBatcher(send)
        self._deadline = deadline
        self._rest = rest
        self._paused_until = 0.0
        self._lock = threading.Lock()

    def open(self, folder: Path, threads: int) -> Inference:
        """Open a bundle for `LocalModels`; workers load it by its id.

        Raises:
            InvalidBundle: it is not valid.
        """
        return RemoteInference(OnnxInference(folder, threads), self)

    def ask(self, card: ModelCard, tiles: NDArray[np.uint8]) -> Answer | None:
        """A worker's answer for a query's tiles; None if the caller must compute it."""
        if len(tiles) > MAX_TILES or time.monotonic() < self._paused_until:
            return None
        try:
            answer = self._batcher.ask(card, tiles, self._deadline)
            _check(card, answer, len(tiles))
        except Unavailable as error:
            self._pause(error)
            return None
        return answer

    def close(self) -> None:
        """Send no more queries."""
        self._batcher.close()

    def _pause(self, error: Unavailable) -> None:
        with self._lock:
            if time.monotonic() < self._paused_until:
                return
            self._paused_until = time.monotonic() + self._rest
        log.warning("queries are embedded in this process for %g s: %s", self._rest, error)


class RemoteInference(Inference):
    """The `Inference` port over workers, with a model of this process as the fallback.

    local: the same bundle. Pairs are always compared in this process, which has read the candidate features.
    """

    def __init__(self, local: Inference, queries: RemoteQueries) -> None:
        self._local = local
        self._queries = queries

    @property
    @override
    def card(self) -> ModelCard:
        return self._local.card

    @override
    def embed(self, tiles: NDArray[np.uint8]) -> Embeddings:
        check_tiles(self.card, tiles)
        answer = self._queries.ask(self.card, tiles)
        return self._local.embed(tiles) if answer is None else answer[0]

    @override
    def examine(self, tiles: NDArray[np.uint8]) -> tuple[Embeddings, NDArray[np.float32] | None]:
        check_tiles(self.card, tiles)
        return self._queries.ask(self.card, tiles) or self._local.examine(tiles)

    @override
    def project(self, features: NDArray[np.float16]) -> NDArray[np.float32] | None:
        return self._local.project(features)

    @override
    def log_odds(self, query: NDArray[np.float32], candidates: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._local.log_odds(query, candidates)

    @override
    def places(
        self, query: NDArray[np.float32], candidates: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        return self._local.places(query, candidates)

    @override
    def close(self) -> None:
        """Release the model of this process."""
        self._local.close()


def _check(card: ModelCard, answer: Answer, count: int) -> None:
    """Return if the shapes of an answer match the card.

    Raises:
        Unavailable: they do not; the worker has another model of that id, or another version of Dyad.
    """
    made, query_features = answer
    found = {"embedding": made.embedding, "feature": made.feature, "pair": made.pair}
    shapes = {name: array.shape for name, array in found.items() if array is not None}
    wanted = {name: (count, width) for name, width in output_dimensions(card).items()}
    expected = None if card.matcher is None else (count, card.matcher.pair_dimension)
    if shapes != wanted or (None if query_features is None else query_features.shape) != expected:
        raise Unavailable(f"model {card.id!r}: a worker returned the shapes {shapes}, which do not match the card")
