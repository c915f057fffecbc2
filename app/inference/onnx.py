"""Model bundles on ONNX Runtime, on the CPU."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from app.domain.tiles import Embeddings
from app.errors import InvalidBundle, ModelMismatch
from app.inference.arrays import check_tiles, l2_normalised
from app.inference.bundles import as_invalid_bundle, read_bundle
from app.inference.head import read_head
from app.inference.matching import OnnxMatcher
from app.inference.supervised_runs import run_session
from models.bundle.card import ModelCard
from models.bundle.files import ENCODER_FILE
from models.bundle.graphs import INPUT, MAP, check_encoder, output_dimensions
from models.bundle.sessions import ORT_ERRORS, one_line, open_session

MAX_BATCH = 32
MAX_INPUT_BYTES = 64 << 20
"""Of the inputs of all runs of one batch; large tiles of many bands go in smaller batches."""
SPARE_BUFFERS = 4
PIECE = 8
"""Tiles of a batch that one thread runs. Threads that share a run wait for each other after every operation of the graph."""


class OnnxInference:
    """The `Inference` port over a bundle's `encoder.onnx`, and its matcher's graphs; `models.bundle.graphs` describes
    them. Thread-safe.

    folder: the bundle. threads: share the run of a single tile; of a batch, each runs pieces of its own.

    Raises:
        InvalidBundle: its card, hashes or graphs are not valid.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        self._card = card = read_bundle(folder)
        with as_invalid_bundle():
            self._session = open_session(folder / ENCODER_FILE, threads, model=card.id)
            # Opened with the first batch, which a service that only searches never has.
            self._open_narrow = partial(open_session, folder / ENCODER_FILE, 1, model=card.id)
            self._fixed_batch = check_encoder(self._session, card)
        self._outputs = {name: (width,) for name, width in output_dimensions(card).items()}
        self._matcher = None if card.matcher is None else OnnxMatcher(folder, card, card.matcher, threads)
        self._head = read_head(folder, card)
        tile_bytes = 4 * len(card.bands) * card.input_size**2
        self._batch = self._fixed_batch or max(1, min(MAX_BATCH, MAX_INPUT_BYTES // tile_bytes))
        self._scale, self._shift = _affine(card)
        # Batches are normalised into buffers that are used again; appending beyond the maximum drops the oldest.
        self._spare: deque[NDArray[np.float32]] = deque(maxlen=max(SPARE_BUFFERS, threads))
        self._threads = threads
        self._piece = self._fixed_batch or max(1, min(PIECE, self._batch // threads))
        self._uses_pool = threads > 1 and threads * self._piece * tile_bytes <= MAX_INPUT_BYTES
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"model-{card.id}")  # starts its threads when first used

    @property
    def card(self) -> ModelCard:
        """Its inputs and outputs."""
        return self._card

    def embed(self, tiles: NDArray[np.uint8]) -> Embeddings:
        """Embed a batch of (N, S, S, B) uint8 tiles, any N >= 1; the size of the runs keeps the memory bounded.

        Raises:
            ModelMismatch: the tiles do not match the card. InvalidBundle: the graph fails on them.
        """
        return _embeddings(self._run_all(tiles, self._outputs))

    def examine(self, tiles: NDArray[np.uint8]) -> tuple[Embeddings, NDArray[np.float32] | None]:
        """Embed a batch as `embed` does, and compute its (N, P) float32 query features; None for these without a matcher.

        Raises:
            ModelMismatch, InvalidBundle: as `embed`.
        """
        if self._matcher is None or self._card.matcher is None:
            return self.embed(tiles), None
        made = self._run_all(tiles, {**self._outputs, MAP: self._card.matcher.map_shape})
        return _embeddings(made), self._matcher.query_features(made[MAP])

    def log_odds(self, query: NDArray[np.float32], candidates: NDArray[np.uint8]) -> NDArray[np.float32]:
        """One query's (P,) features against (M, P) candidate features: (M,) float32 log-odds of a match, finite.

        Raises:
            ModelMismatch: there is no matcher, or the features have another length. InvalidBundle: the graph fails on them.
        """
        if self._matcher is None:
            raise ModelMismatch(f"model {self._card.id!r} has no matcher")
        return self._matcher.log_odds(query, candidates)

    def places(
        self, query: NDArray[np.float32], candidates: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Where one query, (P,) features, and (M, P) candidates match: two (M, h, w) float32 grids in 0..1, of the query and of
        the candidates; None without a matcher that compares places.

        Raises:
            ModelMismatch: features of another length. InvalidBundle: the graph fails on them.
        """
        return None if self._matcher is None else self._matcher.places(query, candidates)

    def project(self, features: NDArray[np.float16]) -> NDArray[np.float32] | None:
        """(N, F) float16 features of this encoder to (N, D) float32 embeddings; None if the bundle has no `head.npz`.

        Raises:
            ModelMismatch: features of another width.
        """
        return None if self._head is None else self._head.project(features)

    def close(self) -> None:
        """Release the buffers. Sessions and threads are released with the last reference, so a deleted model ends its work."""
        self._spare.clear()

    @cached_property
    def _narrow(self) -> ort.InferenceSession:
        """The encoder for one thread."""
        with as_invalid_bundle():
            return self._open_narrow()

    def _run_all(self, tiles: NDArray[np.uint8], outputs: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[Any]]:
        """Outputs by name for any number of tiles; `outputs` gives the shape of one row of each."""
        check_tiles(self._card, tiles)
        if len(tiles) == 1 or not self._uses_pool:
            pieces = [tiles[start : start + self._batch] for start in range(0, len(tiles), self._batch)]
            parts = [self._run(self._session, piece, outputs) for piece in pieces]
        else:
            parts = self._run_in_threads(tiles, outputs)
        return {name: np.concatenate([part[name] for part in parts]) for name in outputs}

    def _run_in_threads(
        self, tiles: NDArray[np.uint8], outputs: Mapping[str, tuple[int, ...]]
    ) -> list[dict[str, NDArray[Any]]]:
        size = self._fixed_batch or min(self._piece, -(-len(tiles) // self._threads))
        pieces = [tiles[start : start + size] for start in range(0, len(tiles), size)]
        # Each call has a copy of the context, which holds the stop check of the job.
        runs = [self._pool.submit(copy_context().run, self._run, self._narrow, piece, outputs) for piece in pieces]
        try:
            return [run.result() for run in runs]
        finally:
            for run in runs:
                run.cancel()

    def _run(
        self, session: ort.InferenceSession, tiles: NDArray[np.uint8], outputs: Mapping[str, tuple[int, ...]]
    ) -> dict[str, NDArray[Any]]:
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
            inputs = {INPUT: buffer[: self._fixed_batch or count]}
            arrays = run_session(session, list(outputs), inputs, model=self._card.id)
        except ORT_ERRORS as error:
            raise InvalidBundle(
                f"model {self._card.id!r}: its graph fails on tiles that match the card: {one_line(error)}"
            ) from error
        finally:
            self._spare.append(buffer)
        for (name, row), array in zip(outputs.items(), arrays, strict=True):
            if array.shape[1:] != row or len(array) < count:
                wanted = ", ".join(map(str, ("N", *row)))
                raise InvalidBundle(
                    f"model {self._card.id!r}: output {name!r} has shape {array.shape}, but the card says ({wanted})"
                )
        return {name: array[:count] for name, array in zip(outputs, arrays, strict=True)}

    def _borrow(self) -> NDArray[np.float32]:
        """A buffer of one batch, (batch, B, S, S); pages that are never written cost no memory."""
        try:
            return self._spare.pop()
        except IndexError:
            size = self._card.input_size
            return np.empty((self._batch, len(self._card.bands), size, size), dtype=np.float32)


def _embeddings(made: Mapping[str, NDArray[Any]]) -> Embeddings:
    feature = made.get("feature")
    return Embeddings(
        embedding=l2_normalised(made["embedding"]),
        feature=None if feature is None else feature.astype(np.float16),
        pair=made.get("pair"),
    )


def _affine(card: ModelCard) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scale and shift, (B, 1, 1) each, so that `x * scale + shift` is `(x / 255 - mean) / std`."""
    mean, std = np.array(card.scaling.mean), np.array(card.scaling.std)
    scale, shift = 1 / (255 * std), -mean / std
    return scale.astype(np.float32).reshape(-1, 1, 1), shift.astype(np.float32).reshape(-1, 1, 1)
