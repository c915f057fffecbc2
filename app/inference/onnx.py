"""Model bundles on ONNX Runtime, on the CPU."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NotSupported
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException as OrtRuntimeError

from app.domain.cards import ModelCard
from app.domain.tiles import Embeddings
from app.errors import InvalidBundle
from app.inference.arrays import check_tiles, l2_normalised
from app.inference.bundles import ENCODER_FILE, read_bundle
from app.inference.graph import INPUT, check_graph, output_dimensions

MAX_BATCH = 32
MAX_INPUT_BYTES = 64 << 20
"""Of one run's input; large tiles of many bands go in smaller batches."""
SPARE_BUFFERS = 4
ERRORS_ONLY = 3
_ORT_ERRORS = (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile, NotSupported, OrtRuntimeError)


class OnnxInference:
    """The `Inference` port over a bundle's `encoder.onnx`, whose contract is in `app.inference.graph`. Thread-safe.

    folder: the bundle. threads: of ONNX Runtime for one batch.

    Raises:
        InvalidBundle: its card, hashes or graph do not fit.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        self._card = card = read_bundle(folder)
        self._session = _open_session(folder / ENCODER_FILE, card, threads)
        self._fixed_batch = check_graph(self._session, card)
        self._outputs = output_dimensions(card)
        tile_bytes = 4 * len(card.bands) * card.input_size**2
        self._batch = self._fixed_batch or max(1, min(MAX_BATCH, MAX_INPUT_BYTES // tile_bytes))
        self._scale, self._shift = _affine(card)
        # Batches are normalised into buffers that are used again; appending beyond the maximum drops the oldest.
        self._spare: deque[NDArray[np.float32]] = deque(maxlen=SPARE_BUFFERS)

    @property
    def card(self) -> ModelCard:
        """What it expects and makes."""
        return self._card

    def embed(self, tiles: NDArray[np.uint8]) -> Embeddings:
        """Embed a batch of (N, S, S, B) uint8 tiles, any N >= 1; runs of at most 32 keep the memory bounded.

        Raises:
            ModelMismatch: the tiles are not what the card says. InvalidBundle: the graph fails on them.
        """
        check_tiles(self._card, tiles)
        parts = [self._run(tiles[start : start + self._batch]) for start in range(0, len(tiles), self._batch)]
        made = {name: np.concatenate([part[name] for part in parts]) for name in self._outputs}
        feature, pair = made.get("feature"), made.get("pair")
        return Embeddings(
            embedding=l2_normalised(made["embedding"]),
            feature=None if feature is None else feature.astype(np.float16),
            pair=pair,
        )

    def close(self) -> None:
        """Let the buffers go; the session goes with its last reference."""
        self._spare.clear()

    def _run(self, tiles: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """Outputs by name for at most one batch."""
        buffer = self._borrow()
        try:
            count = len(tiles)
            for tile, planes in zip(tiles, buffer, strict=False):  # one tile at a time stays in the processor's cache
                np.copyto(planes, tile.transpose(2, 0, 1))  # (S, S, B) -> (B, S, S)
                np.multiply(planes, self._scale, out=planes)
                np.add(planes, self._shift, out=planes)
            if self._fixed_batch is not None:
                buffer[count:] = 0.0
            arrays = self._session.run(list(self._outputs), {INPUT: buffer[: self._fixed_batch or count]})
        except _ORT_ERRORS as error:
            raise InvalidBundle(
                f"model {self._card.id!r}: its graph fails on tiles that fit the card: {_line(error)}"
            ) from error
        finally:
            self._spare.append(buffer)
        outputs = dict(zip(self._outputs, arrays, strict=True))
        for name, width in self._outputs.items():
            shape = outputs[name].shape
            if shape[1:] != (width,) or shape[0] < count:
                raise InvalidBundle(f"model {self._card.id!r}: output {name!r} came out as {shape}; the card says (N, {width})")
        return {name: array[:count] for name, array in outputs.items()}

    def _borrow(self) -> NDArray[np.float32]:
        """A buffer of one batch, (batch, B, S, S); pages that are never written cost no memory."""
        try:
            return self._spare.pop()
        except IndexError:
            size = self._card.input_size
            return np.empty((self._batch, len(self._card.bands), size, size), dtype=np.float32)


def check_bundle(folder: Path) -> ModelCard:
    """Check all of a bundle, card, files and graph, without making it ready to run; returns the card.

    Raises:
        InvalidBundle: something does not fit; the message says what.
    """
    card = read_bundle(folder)
    check_graph(_open_session(folder / ENCODER_FILE, card, threads=1, optimise=False), card)
    return card


def _open_session(path: Path, card: ModelCard, threads: int, *, optimise: bool = True) -> ort.InferenceSession:
    ort.disable_telemetry_events()
    options = ort.SessionOptions()
    if not optimise:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = ERRORS_ONLY
    # Threads that wait sleep: spinning ones would take the cores from decoding and other requests. Measured on a busy
    # machine only; an idle one may lose a little by it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except _ORT_ERRORS as error:
        raise InvalidBundle(f"model {card.id!r}: ONNX Runtime cannot open {path.name}: {_line(error)}") from error


def _affine(card: ModelCard) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scale and shift, (B, 1, 1) each, so that `x * scale + shift` is `(x / 255 - mean) / std`."""
    if card.normalisation is None:
        mean, std = np.zeros(len(card.bands)), np.ones(len(card.bands))
    else:
        mean, std = np.array(card.normalisation.mean), np.array(card.normalisation.std)
    scale, shift = 1 / (255 * std), -mean / std
    return scale.astype(np.float32).reshape(-1, 1, 1), shift.astype(np.float32).reshape(-1, 1, 1)


def _line(error: Exception) -> str:
    """An error's message in one line of reasonable length."""
    return " ".join(str(error).split())[:300]
