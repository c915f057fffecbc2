"""Exported graphs on ONNX Runtime, as the service will run them, for measuring what they lost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray

BATCH = 32
_ERRORS_ONLY = 3


def open_session(path: Path) -> ort.InferenceSession:
    """A graph on the CPU, with as many threads as torch takes."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = _ERRORS_ONLY
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def normalised(tiles: NDArray[np.uint8], mean: Sequence[float], std: Sequence[float]) -> NDArray[np.float32]:
    """(N, S, S, B) uint8 tiles to (N, B, S, S) float32: `(x / 255 - mean) / std`, mean and std one number a band."""
    values = (tiles.astype(np.float32) / np.float32(255) - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2), dtype=np.float32)


class OnnxEncoder:
    """An `encoder.onnx` that takes tiles as they are stored."""

    def __init__(self, path: Path, mean: Sequence[float], std: Sequence[float]) -> None:
        """mean, std: one number a band, on the 0..1 scale."""
        self._session = open_session(path)
        self._mean, self._std = tuple(mean), tuple(std)

    def __call__(self, tiles: NDArray[np.uint8], outputs: Sequence[str] = ("embedding",)) -> dict[str, NDArray[Any]]:
        """Outputs by name, (N, ...) each, of (N, S, S, B) uint8 tiles, N >= 1; see `onnx_graphs` for the names."""
        parts = []
        for start in range(0, len(tiles), BATCH):
            batch = normalised(tiles[start : start + BATCH], self._mean, self._std)
            parts.append(self._session.run(list(outputs), {"tiles": batch}))
        return {name: np.concatenate(arrays) for name, arrays in zip(outputs, zip(*parts, strict=True), strict=True)}
