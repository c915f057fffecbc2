"""The models of a cluster: those that ship with Dyad, and those that any of its processes added."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from typing_extensions import override

from app.atomic_files import telling_full_disk
from app.cluster.models.bundle_cache import BundleCache, digest_of
from app.cluster.models.registry import Added, SharedRegistry
from app.domain.models import ModelEntry
from app.errors import Conflict, Forbidden, InvalidBundle, NotFound, Unavailable
from app.inference.bundle_zip import stream_bundle, unpack_bundle
from app.inference.bundles import read_bundle
from app.inference.local_models import BUNDLED, LocalModels, OpenBundle, TryBundle, check_untrusted_bundle
from app.inference.onnx import OnnxInference
from app.ports import MODELS_LOCK, Blobs, Inference, Locks, ModelProvider
from models.bundle.card import ModelCard

logger = logging.getLogger(__name__)

FRESH_SECONDS = 1.0
"""Changes of other processes become visible within this time."""


class _Known(NamedTuple):
    """seen: time of the look, by the monotonic clock."""

    added: dict[str, Added]
    default: str | None
    seen: float


class SharedModels(ModelProvider):
    """The `ModelProvider` port over blobs, with copies in the folder `cache`, which all processes of a machine may share.

    Changes of another process become visible within `FRESH_SECONDS`. A loaded model stays usable while the blob store is
    unavailable. threads, bundled, opening, trial: see `LocalModels`.
    """

    def __init__(
        self,
        blobs: Blobs,
        locks: Locks,
        cache: Path,
        threads: int,
        bundled: Path = BUNDLED,
        opening: OpenBundle = OnnxInference,
        trial: TryBundle | None = None,
    ) -> None:
        self._own = LocalModels(cache / "none", threads, bundled, opening, trial)
        self._own_ids = {card.id for card in self._own.cards()}
        self._registry = SharedRegistry(blobs)
        self._locks = locks
        self._cache = BundleCache(cache / "bundles", self._registry)
        self._threads = threads
        self._open_bundle = opening
        self._trial = trial
        self._known: _Known | None = None
        self._written = 0.0  # time of this process's last change; older looks are stale
        self._opening = threading.Lock()
        self._loaded: dict[str, Inference] = {}  # by digest

    @override
    def cards(self) -> list[ModelCard]:
        return [entry.card for entry in self.entries()]

    @override
    def entries(self) -> list[ModelEntry]:
        known = self._look()
        added = [ModelEntry(one.card, "added", one.size) for one in known.added.values()]
        return sorted([*self._own.entries(), *added], key=lambda entry: entry.card.id != known.default)

    @override
    def load(self, model_id: str) -> Inference:
        if model_id in self._own_ids:
            return self._own.load(model_id)
        one = self._find(model_id)
        loaded = self._loaded.get(one.digest)
        if loaded is None:
            with self._opening:
                loaded = self._loaded.get(one.digest)
                if loaded is None:
                    loaded = self._loaded[one.digest] = self._open(one)
        return loaded

    @override
    def add(self, folder: Path) -> tuple[ModelCard, bool]:
        card = check_untrusted_bundle(folder, self._trial)
        if card.id in self._own_ids:
            return self._own.add(folder)  # the same bundle, or refused
        one = Added(card, digest_of(folder), sum(path.stat().st_size for path in folder.iterdir()))
        with self._locks.hold(MODELS_LOCK):
            there = self._look(0).added.get(card.id)
            if there is not None and there.digest == one.digest:
                return card, False
            if there is not None:
                raise Conflict(f"there is another model {card.id!r}: delete it first, or choose another id")
            self._registry.put(folder, one)
            self._written = time.monotonic()
        self._cache.keep(folder, one)
        return card, True

    @override
    def add_zip(self, archive: Path, max_bytes: int) -> tuple[ModelCard, bool]:
        with self._cache.scratch() as scratch:
            unpack_bundle(archive, scratch / "bundle", max_bytes)
            return self.add(scratch / "bundle")

    @override
    def zipped(self, model_id: str) -> Iterator[bytes]:
        if model_id in self._own_ids:
            return self._own.zipped(model_id)
        one = self._find(model_id)
        return stream_bundle(self._whole(one), one.card)

    @override
    def copy(self, model_id: str, target: Path) -> Path:
        if model_id in self._own_ids:
            return self._own.copy(model_id, target)
        source = self._whole(self._find(model_id))
        with telling_full_disk(target.parent):
            return shutil.copytree(source, target / model_id)

    @override
    def set_default(self, model_id: str) -> None:
        with self._locks.hold(MODELS_LOCK):
            if model_id not in self._own_ids and model_id not in self._look(0).added:
                raise self._missing(model_id)
            self._registry.choose(model_id)
            self._written = time.monotonic()

    @override
    def remove(self, model_id: str) -> None:
        if model_id in self._own_ids:
            raise Forbidden(f"model {model_id!r} comes with Dyad and cannot be deleted")
        with self._locks.hold(MODELS_LOCK):
            if model_id not in self._look(0).added:
                raise self._missing(model_id)
            self._registry.take_out(model_id)
            self._written = time.monotonic()
        self._look(0)

    def close(self) -> None:
        """Release every model."""
        self._own.close()
        with self._opening:
            for model in self._loaded.values():
                model.close()
            self._loaded.clear()

    def _open(self, one: Added) -> Inference:
        try:
            return self._open_bundle(self._cache.folder(one), self._threads)
        except InvalidBundle as error:
            logger.warning("model %s is downloaded again, its copy is not valid: %s", one.card.id, error)
            self._cache.drop(one)
            return self._open_bundle(self._cache.folder(one), self._threads)

    def _whole(self, one: Added) -> Path:
        """The folder of a bundle, after its hashes were checked."""
        try:
            read_bundle(self._cache.folder(one))
        except InvalidBundle:
            self._cache.drop(one)
        return self._cache.folder(one)

    def _find(self, model_id: str) -> Added:
        try:
            known = self._look()
            if model_id not in known.added:
                known = self._look(0)
        except Unavailable:
            if self._known is None or model_id not in self._known.added:
                raise
            known = self._known
        if model_id not in known.added:
            raise self._missing(model_id)
        return known.added[model_id]

    def _look(self, age: float = FRESH_SECONDS) -> _Known:
        """The added models, read at most `age` seconds ago. Threads do not wait for each other's reads."""
        known, now = self._known, time.monotonic()
        if known is not None and now - known.seen < age and known.seen > self._written:
            return known
        known = _Known(self._registry.added(), self._registry.default(), now)
        if self._known is None or self._known.seen < now:
            self._known = known
        self._release_all_but({one.digest for one in known.added.values()})
        return known

    def _release_all_but(self, digests: set[str]) -> None:
        self._cache.keep_only(digests)
        for digest in [digest for digest in self._loaded if digest not in digests]:
            if (unused := self._loaded.pop(digest, None)) is not None:
                unused.close()

    def _missing(self, model_id: str) -> NotFound:
        return NotFound(f"there is no model {model_id!r}; the models are {', '.join(card.id for card in self.cards())}")
