"""Queries to the workers, where `DYAD_INFERENCE=remote`; what they do not answer in time is answered here."""

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
REST_SECONDS = 5.0
"""After a question without an answer nobody is asked for so long: only one search in a while waits in vain."""
MAX_TILES = 8
"""Of a query; whoever embeds more is no query, and does it where it is."""


class RemoteQueries:
    """Asks the workers for all models of a process. Thread-safe."""

    def __init__(self, send: Send, *, deadline: float = DEADLINE_SECONDS, rest: float = REST_SECONDS) -> None:
        self._batcher = MicroBatcher(send)
        self._deadline = deadline
        self._rest = rest
        self._resting_until = 0.0
        self._lock = threading.Lock()

    def open(self, folder: Path, threads: int) -> Inference:
        """A bundle, as `LocalModels` opens it; the workers know it by its id.

        Raises:
            InvalidBundle: it does not fit.
        """
        return RemoteInference(OnnxInference(folder, threads), self)

    def ask(self, card: ModelCard, tiles: NDArray[np.uint8]) -> Answer | None:
        """What a worker makes of a query's tiles; None where the caller should do it."""
        if len(tiles) > MAX_TILES or time.monotonic() < self._resting_until:
            return None
        try:
            answer = self._batcher.ask(card, tiles, self._deadline)
            _check(card, answer, len(tiles))
        except Unavailable as error:
            self._take_a_rest(error)
            return None
        return answer

    def close(self) -> None:
        """Ask nobody any more."""
        self._batcher.close()

    def _take_a_rest(self, error: Unavailable) -> None:
        with self._lock:
            if time.monotonic() < self._resting_until:
                return
            self._resting_until = time.monotonic() + self._rest
        log.warning("queries are answered here for %g s: %s", self._rest, error)


class RemoteInference(Inference):
    """The `Inference` port over workers, and over a model of this process for whatever they do not do.

    local: the same bundle. Pairs are always compared here, where their halves lie.
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
    def close(self) -> None:
        """Release the model of this process."""
        self._local.close()


def _check(card: ModelCard, answer: Answer, count: int) -> None:
    """Return if an answer is what the card promises.

    Raises:
        Unavailable: it is not; the worker has another model of that name, or another version of Dyad.
    """
    made, query_features = answer
    found = {"embedding": made.embedding, "feature": made.feature, "pair": made.pair}
    shapes = {name: array.shape for name, array in found.items() if array is not None}
    wanted = {name: (count, width) for name, width in output_dimensions(card).items()}
    expected = None if card.matcher is None else (count, card.matcher.pair_dimension)
    if shapes != wanted or (None if query_features is None else query_features.shape) != expected:
        raise Unavailable(f"model {card.id!r}: a worker answered {shapes}, which is not what the card says")
