"""Hand-crafted models: a function of one tile, run over a batch by threads (NumPy releases the interpreter lock)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from app.domain.tiles import Embeddings
from app.errors import ModelMismatch
from app.inference.arrays import check_tiles, l2_normalised
from models.bundle.card import ModelCard

Descriptor = Callable[[NDArray[np.uint8]], NDArray[np.float64]]
"""(S, S, B) uint8 tile to (D,) float64 descriptor, not normalised."""


class HandCrafted:
    """The `Inference` port over a descriptor. Thread-safe.

    threads: number of tiles described at the same time.
    """

    def __init__(self, card: ModelCard, describe: Descriptor, threads: int) -> None:
        self._card = card
        self._describe = describe
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"model-{card.id}")  # starts its threads when first used

    @property
    def card(self) -> ModelCard:
        """Its inputs and outputs."""
        return self._card

    def embed(self, tiles: NDArray[np.uint8]) -> Embeddings:
        """Describe a batch of (N, S, S, B) uint8 tiles, L2-normalised, so that cosine and Euclidean distance rank alike.

        Raises:
            ModelMismatch: the tiles do not match the card.
        """
        check_tiles(self._card, tiles)
        described = map(self._describe, tiles) if len(tiles) == 1 else self._pool.map(self._describe, tiles)
        return Embeddings(l2_normalised(np.stack(list(described))))

    def examine(self, tiles: NDArray[np.uint8]) -> tuple[Embeddings, None]:
        """The result of `embed`; no descriptor has a matcher."""
        return self.embed(tiles), None

    def log_odds(self, query: NDArray[np.float32], candidates: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Always raises.

        Raises:
            ModelMismatch: there is no matcher.
        """
        raise ModelMismatch(f"model {self._card.id!r} has no matcher")

    def places(self, query: NDArray[np.float32], candidates: NDArray[np.uint8]) -> None:
        """None: there is no matcher."""

    def project(self, features: NDArray[np.float16]) -> None:
        """None: no descriptor has a feature."""

    def close(self) -> None:
        """Release the threads after their work."""
        self._pool.shutdown()
