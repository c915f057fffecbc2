"""Model bundles on PyTorch, for workers: the weights that the ONNX graphs were exported from, on a GPU or the CPU."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from typing_extensions import override

from app.domain.tiles import Embeddings
from app.errors import InvalidBundle, ModelMismatch, Unavailable
from app.inference.arrays import check_pair_features, check_tiles, l2_normalised
from app.inference.bundles import as_invalid_bundle, read_bundle
from app.inference.head import read_head
from app.ports import Inference
from models.bundle.card import ModelCard
from models.export.write_bundle import read_bundle as read_networks
from worker.torch_network import TileNetwork, trunk_dtype
from worker.torch_runners import CudaRunner, Mode, PlainRunner, Rows, Runner

GPU_BATCH, CPU_BATCH = 256, 32
MAX_INPUT_BYTES = 64 << 20
"""Of one run's tiles; large tiles with many bands are run in smaller batches."""


class TorchInference(Inference):
    """The `Inference` port over a bundle's `weights.safetensors`. Thread-safe; the device serves one call at a time.

    folder: the bundle. device: where it runs. mode: see `Mode`; None for the fastest of the device. batch: largest
    number of tiles in a run; None for 256 on a GPU, 32 on the CPU.

    Raises:
        InvalidBundle: its card, hashes or weights are not valid. Unavailable: the device's memory is full.
    """

    def __init__(self, folder: Path, device: torch.device, *, mode: Mode | None = None, batch: int | None = None) -> None:
        self._card = card = read_bundle(folder)
        self._device = device
        self._lock = threading.Lock()
        self._head = read_head(folder, card)
        shape = (card.input_size, card.input_size, len(card.bands))
        is_gpu = device.type == "cuda"
        wanted = batch or (GPU_BATCH if is_gpu else CPU_BATCH)
        self._batch = max(1, min(wanted, MAX_INPUT_BYTES // int(np.prod(shape))))
        try:
            with as_invalid_bundle():
                network = TileNetwork(read_networks(folder), trunk_dtype(device))
            self._network = network.to(device)
            self._runner: Runner = (
                CudaRunner(self._network, device, shape, self._batch, mode or "graphs")
                if is_gpu
                else PlainRunner(self._network, device, is_compiled=mode == "compile")
            )
        except torch.OutOfMemoryError as error:
            raise self._full(error) from error

    @property
    @override
    def card(self) -> ModelCard:
        return self._card

    @override
    def embed(self, tiles: NDArray[np.uint8]) -> Embeddings:
        return self._run(tiles)[0]

    @override
    def examine(self, tiles: NDArray[np.uint8]) -> tuple[Embeddings, NDArray[np.float32] | None]:
        return self._run(tiles)

    @override
    def project(self, features: NDArray[np.float16]) -> NDArray[np.float32] | None:
        return None if self._head is None else self._head.project(features)

    @override
    def log_odds(self, query: NDArray[np.float32], candidates: NDArray[np.uint8]) -> NDArray[np.float32]:
        matcher = self._card.matcher
        if matcher is None:
            raise ModelMismatch(f"model {self._card.id!r} has no matcher")
        check_pair_features(self._card, matcher, query, candidates)
        if len(candidates) == 0:
            return np.zeros(0, np.float32)
        with self._lock, torch.inference_mode():
            features = torch.from_numpy(query.astype(np.float32)).to(self._device)
            logits = self._network.logits(features, torch.from_numpy(candidates.copy()).to(self._device)).cpu().numpy()
        if not np.isfinite(logits).all():
            raise InvalidBundle(f"model {self._card.id!r}: its matcher returned numbers that are not finite")
        return np.asarray(logits[:, 1] - logits[:, 0], np.float32)

    @override
    def places(
        self, query: NDArray[np.float32], candidates: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        matcher = self._card.matcher
        if matcher is None or not self._network.has_places:
            return None
        check_pair_features(self._card, matcher, query, candidates)
        with self._lock, torch.inference_mode():
            features = torch.from_numpy(query.astype(np.float32)).to(self._device)
            found = self._network.places(features, torch.from_numpy(candidates.copy()).to(self._device))
            ours, theirs = (each.cpu().numpy().reshape(-1, *matcher.map_shape[1:]) for each in found)
        return ours, theirs

    @override
    def close(self) -> None:
        """Nothing to do: the device's memory is freed with the last reference."""

    def _run(self, tiles: NDArray[np.uint8]) -> tuple[Embeddings, NDArray[np.float32] | None]:
        """Any number of tiles, and their query features if there is a matcher."""
        check_tiles(self._card, tiles)
        parts = [tiles[start : start + self._batch] for start in range(0, len(tiles), self._batch)]
        try:
            with self._lock:
                rows: list[Rows] = list(self._runner.run(parts))
        except torch.OutOfMemoryError as error:
            raise self._full(error) from error
        embedding, feature, pair, query = (np.concatenate(each) for each in zip(*rows, strict=True))
        has_matcher = self._card.matcher is not None
        made = Embeddings(
            embedding=l2_normalised(embedding),
            feature=cast("NDArray[np.float16]", feature) if self._card.feature_dimension else None,
            pair=cast("NDArray[np.uint8]", pair) if has_matcher else None,
        )
        return made, cast("NDArray[np.float32]", query) if has_matcher else None

    def _full(self, error: torch.OutOfMemoryError) -> Unavailable:
        return Unavailable(
            f"model {self._card.id!r}: the memory of {self._device} is full ({str(error).splitlines()[0][:200]}); "
            "run one worker per GPU, and no other program on it"
        )
