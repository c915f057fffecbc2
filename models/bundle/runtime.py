"""The graphs of a bundle on ONNX Runtime, as the service runs them, for evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.files import QUERY_FEATURES_FILE, TAIL_FILE
from models.bundle.graphs import CANDIDATE_PLACES, CANDIDATES, INPUT, LOGITS, MAP, QUERY, QUERY_PLACES, has_places
from models.bundle.sessions import open_session

BATCH = 32


def normalised(tiles: NDArray[np.uint8], mean: Sequence[float], std: Sequence[float]) -> NDArray[np.float32]:
    """(N, S, S, B) uint8 tiles to (N, B, S, S) float32: `(x / 255 - mean) / std`, mean and std one number a band."""
    values = (tiles.astype(np.float32) / np.float32(255) - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2), dtype=np.float32)


class OnnxEncoder:
    """An `encoder.onnx` that takes uint8 tiles."""

    def __init__(self, path: Path, mean: Sequence[float], std: Sequence[float], *, threads: int = 0) -> None:
        """mean, std: one number a band, on the 0..1 scale. threads: 0 takes all cores."""
        self._session = open_session(path, threads)
        self._mean, self._std = tuple(mean), tuple(std)
        rows = self._session.get_inputs()[0].shape[0]
        self._fixed_batch = rows if isinstance(rows, int) and rows > 0 else None

    def __call__(self, tiles: NDArray[np.uint8], outputs: Sequence[str] = ("embedding",)) -> dict[str, NDArray[Any]]:
        """Outputs by name, (N, ...) each, of (N, S, S, B) uint8 tiles, N >= 1; `graphs` lists the names."""
        parts, size = [], self._fixed_batch or BATCH
        for start in range(0, len(tiles), size):
            batch = normalised(tiles[start : start + size], self._mean, self._std)
            count = len(batch)
            if self._fixed_batch is not None and count < size:
                batch = np.concatenate([batch, np.zeros((size - count, *batch.shape[1:]), np.float32)])
            parts.append([array[:count] for array in self._session.run(list(outputs), {INPUT: batch})])
        return {name: np.concatenate(arrays) for name, arrays in zip(outputs, zip(*parts, strict=True), strict=True)}


class OnnxMatcher:
    """`query_half.onnx` and `tail.onnx` of a bundle's folder."""

    def __init__(self, folder: Path, *, threads: int = 0) -> None:
        """threads: 0 takes all cores."""
        self._query = open_session(folder / QUERY_FEATURES_FILE, threads)
        self._tail = open_session(folder / TAIL_FILE, threads)

    def query_features(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """(Q, C, h, w) maps of queries, the encoder's output `map`, to (Q, P) query features."""
        (features,) = self._query.run([QUERY], {MAP: maps})
        return np.asarray(features, dtype=np.float32)

    def log_odds(self, query: NDArray[np.float32], candidates: NDArray[np.uint8]) -> NDArray[np.float32]:
        """One query's (P,) features and (M, P) candidate features, the encoder's output `pair`, to (M,) log-odds of a match."""
        (logits,) = self._tail.run([LOGITS], {QUERY: query[np.newaxis], CANDIDATES: candidates})
        return np.asarray(logits[:, 1] - logits[:, 0], dtype=np.float32)

    @property
    def has_places(self) -> bool:
        """Whether the matcher shows where two tiles match."""
        return has_places(self._tail)

    def places(
        self, query: NDArray[np.float32], candidates: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """How well each place of the query, and of the candidates, is matched by the other tile: (M, h * w) in 0..1 each."""
        query_places, candidate_places = self._tail.run(
            [QUERY_PLACES, CANDIDATE_PLACES], {QUERY: query[np.newaxis], CANDIDATES: candidates}
        )
        return np.asarray(query_places, np.float32), np.asarray(candidate_places, np.float32)
