"""New vectors for indexed tiles, by the cheapest method that gives the vectors of the new model: copied, projected from stored
features by one matrix product, or embedded from the stored images.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.domain.tiles import Embeddings, Tile
from app.errors import DyadError, Unavailable
from app.imagery.tiling.tiler import CutSpec, read_tile
from app.ports import Blobs, Inference
from models.bundle.card import ModelCard

log = logging.getLogger(__name__)

BATCH = 100
"""Tiles per batch; small, because the embedded vector store holds the interpreter lock for a few milliseconds per batch."""
IMAGES = 32
MAX_BATCH_BYTES = 32 << 20
SAMPLE = 4
LIKE = 0.99
"""Minimum cosine between the embeddings of a head file and of the encoder's graph; float16 features and int8 cost 0.001."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A tile whose image cannot be embedded, and the reason."""

    tile: Tile
    reason: str


@dataclass(frozen=True, slots=True)
class NewVectors:
    """Tiles with new vectors. way: how they were made (`copied`, `projected`, `embedded`). failures: tiles without vectors."""

    way: str
    tiles: Sequence[Tile]
    vectors: Embeddings
    failures: Sequence[Failure] = field(default=())


class VectorSource(Protocol):
    """A method to make new vectors.

    way: its name. batch: tiles per batch. features, pairs: whether it needs the features and candidate features of the old
    index.
    """

    way: str
    batch: int
    features: bool
    pairs: bool

    def needs_no_images(self, tiles: Sequence[Tile], old: Embeddings) -> bool:
        """Whether `transform` is sufficient for all tiles. tiles, old: a sample with its old vectors."""

    def transform(self, old: Embeddings) -> NDArray[np.float32] | None:
        """(N, D) new embeddings from the old embeddings and features; None if images are needed."""

    def begin(self, tiles: Sequence[Tile], old: Embeddings) -> Callable[[], NewVectors]:
        """Start to make the vectors of N >= 1 tiles with the given old vectors; calling the returned function finishes them."""

    def close(self) -> None:
        """Release its threads."""


class Copying(VectorSource):
    """Copies the vectors: both models have the same encoder file."""

    way = "copied"
    batch = BATCH
    features = pairs = True

    def needs_no_images(self, tiles: Sequence[Tile], old: Embeddings) -> bool:
        """See `VectorSource`."""
        return True

    def transform(self, old: Embeddings) -> NDArray[np.float32]:
        """See `VectorSource`."""
        return old.embedding

    def begin(self, tiles: Sequence[Tile], old: Embeddings) -> Callable[[], NewVectors]:
        """See `VectorSource`."""
        return lambda: NewVectors(self.way, tiles, old)

    def close(self) -> None:
        """Nothing to do."""


class Embedding(VectorSource):
    """Embeds the stored images: `threads` threads read and decode, the caller's thread embeds."""

    way = "embedded"
    features = pairs = False

    def __init__(self, model: Inference, spec: CutSpec, blobs: Blobs, threads: int) -> None:
        self._model = model
        self._spec = spec
        self._blobs = blobs
        tile_bytes = len(model.card.bands) * model.card.input_size**2
        self.batch = max(1, min(IMAGES, MAX_BATCH_BYTES // tile_bytes))
        self._pool = ThreadPoolExecutor(threads, "dyad-reindex")

    def needs_no_images(self, tiles: Sequence[Tile], old: Embeddings) -> bool:
        """See `VectorSource`."""
        return False

    def transform(self, old: Embeddings) -> None:
        """See `VectorSource`."""

    def begin(self, tiles: Sequence[Tile], old: Embeddings) -> Callable[[], NewVectors]:
        """See `VectorSource`."""
        futures = [self._pool.submit(self._read, tile) for tile in tiles]
        return lambda: self._finish(tiles, futures)

    def close(self) -> None:
        """Stop the threads; reads that have not started are dropped."""
        self._pool.shutdown(cancel_futures=True)

    def _read(self, tile: Tile) -> NDArray[np.uint8] | str:
        """The pixels, or the reason why they cannot be read."""
        try:
            return read_tile(self._blobs.get(tile.image), self._spec, tile.stretch, window=tile.window)
        except Unavailable:
            raise  # the store is unavailable, not a fault of the tile
        except DyadError as error:
            return str(error)

    def _finish(self, tiles: Sequence[Tile], futures: Sequence[Future[NDArray[np.uint8] | str]]) -> NewVectors:
        good: list[Tile] = []
        pixels: list[NDArray[np.uint8]] = []
        failures: list[Failure] = []
        for tile, future in zip(tiles, futures, strict=True):
            found = future.result()
            if isinstance(found, str):
                failures.append(Failure(tile, found))
            else:
                good.append(tile)
                pixels.append(found)
        made = self._model.embed(np.stack(pixels)) if pixels else _nothing(self._model.card)
        return NewVectors(self.way, good, made, failures)


class Projecting(VectorSource):
    """Projects stored features with the new head: both models make the same features. A few images are embedded to verify
    it.
    """

    way = "projected"
    batch = BATCH
    features = True

    def __init__(self, model: Inference, images: VectorSource, *, pairs: bool) -> None:
        """images: used for tiles without a stored feature. pairs: whether both models have the same candidate features."""
        self._model = model
        self._images = images
        self.pairs = pairs
        self._is_right: bool | None = None

    def needs_no_images(self, tiles: Sequence[Tile], old: Embeddings) -> bool:
        """See `VectorSource`."""
        if self._is_right is None:
            self._is_right = self._check(tiles[:SAMPLE], old)
        return self._is_right

    def transform(self, old: Embeddings) -> NDArray[np.float32] | None:
        """See `VectorSource`."""
        return None if old.feature is None else self._model.project(old.feature)

    def begin(self, tiles: Sequence[Tile], old: Embeddings) -> Callable[[], NewVectors]:
        """See `VectorSource`."""
        is_whole = old.feature is not None and (old.pair is not None or not self.pairs)
        can = self.needs_no_images(tiles, old) and is_whole
        return (lambda: self._project(tiles, old)) if can else self._images.begin(tiles, old)

    def close(self) -> None:
        """Release the threads of `images`."""
        self._images.close()

    def _project(self, tiles: Sequence[Tile], old: Embeddings) -> NewVectors:
        made = self.transform(old)
        if made is None:
            return self._images.begin(tiles, old)()
        return NewVectors(self.way, tiles, Embeddings(made, old.feature, old.pair if self.pairs else None))

    def _check(self, tiles: Sequence[Tile], old: Embeddings) -> bool:
        """Whether head and graph give the same embeddings for these tiles, as far as they have features and images."""
        if old.feature is None:
            return True
        seen = self._images.begin(tiles, old)()
        rows = [tiles.index(tile) for tile in seen.tiles]
        projected = self._model.project(old.feature[rows])
        if projected is None or not rows:
            return projected is not None
        cosine = float((projected * seen.vectors.embedding).sum(axis=1).min())
        if cosine < LIKE:
            log.warning("model %s: the head file disagrees with its graph (cosine %.4f)", self._model.card.id, cosine)
        return cosine >= LIKE


def choose_vector_source(old: ModelCard | None, model: Inference, images: Embedding) -> VectorSource:
    """The cheapest vector source for a new model. old: card of the index's model, None if it is missing or the same model."""
    new = model.card
    if old is None:
        return images
    if new.has_encoder_of(old):
        return Copying()
    has_pairs = new.pair_dimension > 0
    has_head = model.project(np.zeros((0, new.feature_dimension), np.float16)) is not None
    if has_head and new.has_features_of(old) and (new.has_pairs_of(old) or not has_pairs):
        return Projecting(model, images, pairs=has_pairs)
    return images


def _nothing(card: ModelCard) -> Embeddings:
    return Embeddings(np.empty((0, card.dimension), np.float32))
