"""The examples of a search: an uploaded image, positive tiles and negative tiles."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.domain.collections import Collection
from app.domain.indexes import Live
from app.domain.queries.search import SearchQuery, Shortlist
from app.domain.tiles import Tile
from app.errors import InvalidInput
from app.imagery.tiling.tiler import read_tile
from app.ports import Blobs, Inference, VectorStore
from app.services.catalogue.models import ModelService
from app.services.catalogue.tile_settings import cut_spec
from app.services.search.query_image import prepare
from app.services.search.rocchio import direction, strength
from app.services.search.timer import Timer
from models.bundle.files import ENCODER_FILE, QUERY_FEATURES_FILE

MAX_EXAMINED = 8
"""Maximum number of positives with which the matcher compares each candidate; the direction uses all positives."""
MAX_CACHED = 1024
"""Indexed tiles whose query features are cached; those of one tile take some kilobytes."""

SAME = 1 - 2e-6
"""Cosine (6 decimals) from which a candidate counts as the same image as an example."""

_Key = tuple[str, str, str, str]
"""Digests of the two graphs that compute query features, the tile's id, its content hash."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Embedded examples of a search.

    positives: (E, D) float32 embeddings, L2-normalised, the uploads first. negatives: (N, D), likewise. ids: of the indexed
    positives, without repetition. pixels: (S, S, B) uint8, the first upload as the model sees it, None without one. uploaded:
    (U, P) float32 query features of the uploads, None without an upload or a matcher. warnings: about the uploads.
    """

    positives: NDArray[np.float32]
    negatives: NDArray[np.float32]
    ids: tuple[str, ...]
    uploaded: NDArray[np.float32] | None = None
    pixels: NDArray[np.uint8] | None = None
    warnings: tuple[str, ...] = ()

    def direction(self) -> NDArray[np.float32]:
        """The (D,) float32 query direction, L2-normalised.

        Raises:
            InvalidInput: the examples cancel each other out.
        """
        return direction(self.positives, self.negatives)

    def cosines(self, head: Shortlist) -> NDArray[np.float64]:
        """(M,) cosine of each candidate to the examples, the first term of its score: the cosine to a single positive, the mean
        cosine to several, plus its lead over the mean cosine to the negatives.
        """
        return head.similarities * strength(self.positives, self.negatives)

    def are_same(self, head: Shortlist) -> NDArray[np.bool_]:
        """(M,) whether each candidate has the same image as all positives. With negatives it needs the embeddings."""
        if len(self.negatives) == 0:
            return np.asarray(self.cosines(head) >= SAME)
        if head.embeddings is None:
            raise ValueError("the shortlist was read without embeddings")
        return np.asarray(head.embeddings @ self.positives.mean(axis=0) >= SAME)


@dataclass(frozen=True, slots=True)
class Uploads:
    """Images as examples, files or their content: that of a request, and windows of scenes at places."""

    positives: Sequence[Path | bytes] = ()
    negatives: Sequence[Path | bytes] = ()


class ExampleReader:
    """Reads and embeds examples; caches the query features of indexed tiles. Thread-safe."""

    def __init__(self, models: ModelService, vectors: VectorStore, blobs: Blobs, max_pixels: int) -> None:
        self._models = models
        self._vectors = vectors
        self._blobs = blobs
        self._max_pixels = max_pixels
        self._lock = threading.Lock()
        self._cache: OrderedDict[_Key, NDArray[np.float32]] = OrderedDict()

    def read(
        self,
        collection: Collection,
        live: Live,
        query: SearchQuery,
        uploads: Uploads,
        timer: Timer,
        *,
        with_query_features: bool,
    ) -> Examples:
        """Embed all examples. with_query_features: whether to compute those of the uploads as well.

        Raises:
            InvalidInput: no positive. NotFound: a tile. UnreadableImage, TooLarge, Busy: the image.
        """
        positives, negatives = (tuple(dict.fromkeys(ids)) for ids in (query.positives, query.negatives))
        if not uploads.positives and not positives and query.vector is None:
            raise InvalidInput(
                "no example to search for: upload an image, name a place, or give at least one tile id in `positives`"
            )
        parts: list[NDArray[np.float32]] = []
        uploaded, pixels = None, None
        warnings: tuple[str, ...] = ()
        wrong_parts: list[NDArray[np.float32]] = []
        if uploads.positives:
            batch, warnings = self._prepared(collection, live, uploads.positives, timer)
            with timer.stage("embed"):
                model = self._models.load(live.model)
                made, uploaded = model.examine(batch) if with_query_features else (model.embed(batch), None)
            parts.append(made.embedding)
            pixels = batch[0]
        if uploads.negatives:
            batch, _ = self._prepared(collection, live, uploads.negatives, timer)
            with timer.stage("embed"):
                wrong_parts.append(self._models.load(live.model).embed(batch).embedding)
        if query.vector is not None:
            parts.append(self._vector(live, query.vector))
        with timer.stage("search"):
            if positives:
                parts.append(self._vectors.retrieve_vectors(live.index, positives).embedding)
            if negatives:
                wrong_parts.append(self._vectors.retrieve_vectors(live.index, negatives).embedding)
        wrong = np.concatenate(wrong_parts) if wrong_parts else parts[0][:0]
        return Examples(np.concatenate(parts), wrong, positives, uploaded, pixels, warnings)

    def _vector(self, live: Live, values: Sequence[float]) -> NDArray[np.float32]:
        """(1, D) float32, the embedding in a query, normalised."""
        dimension = self._models.card(live.model).dimension
        vector = np.asarray([values], np.float64)
        length = float(np.linalg.norm(vector)) if np.isfinite(vector).all() else 0.0
        if len(values) != dimension or not 1e-30 < length < 1e30:
            raise InvalidInput(
                f"vector: it has {len(values)} numbers; model {live.model!r} of the collection needs {dimension}, finite and "
                "not all 0"
            )
        return (vector / length).astype(np.float32)

    def _prepared(
        self, collection: Collection, live: Live, images: Sequence[Path | bytes], timer: Timer
    ) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
        """(U, S, S, B) uint8 pixels of images, and remarks about them."""
        spec = cut_spec(collection, self._models.load(live.model).card, self._max_pixels)
        with timer.stage("decode"):
            read = [prepare(self._vectors, live.index, image, spec) for image in images]
        notes = tuple(dict.fromkeys(note for each in read for note in each.notes))
        return np.stack([each.pixels for each in read]), notes

    def query_features(
        self, collection: Collection, live: Live, model: Inference, examples: Examples, timer: Timer, most: int = MAX_EXAMINED
    ) -> NDArray[np.float32]:
        """(E, P) float32 query features of the first `most` positives; those of indexed tiles come from their images.

        Raises:
            NotFound: a tile or its image is missing. UnreadableImage: the image of a tile is damaged.
        """
        first = [] if examples.uploaded is None else list(examples.uploaded[:most])
        ids = examples.ids[: most - len(first)]
        return np.stack([*first, *self._of_tiles(collection, live, model, ids, timer)])

    def _of_tiles(
        self, collection: Collection, live: Live, model: Inference, ids: Sequence[str], timer: Timer
    ) -> list[NDArray[np.float32]]:
        if not ids:
            return []
        with timer.stage("search"):
            tiles = self._vectors.retrieve(live.index, ids)
        made_by = model.card.files.get(ENCODER_FILE, ""), model.card.files.get(QUERY_FEATURES_FILE, "")
        keys = [(*made_by, point, tiles[point].content_hash) for point in ids]
        with self._lock:
            known = {key: self._cache[key] for key in keys if key in self._cache}
        missing = [key for key in keys if key not in known]
        if missing:
            with timer.stage("decode"):
                pixels = np.stack([self._pixels(collection, model, tiles[point]) for *_, point, _ in missing])
            with timer.stage("embed"):
                made = model.examine(pixels)[1]
            if made is None:
                raise InvalidInput(f"model {live.model!r} has no matcher")
            known.update(zip(missing, made, strict=True))
        self._remember({key: known[key] for key in keys})
        return [known[key] for key in keys]

    def _pixels(self, collection: Collection, model: Inference, tile: Tile) -> NDArray[np.uint8]:
        spec = cut_spec(collection, model.card, self._max_pixels)
        return read_tile(self._blobs.get(tile.image), spec, tile.stretch, window=tile.window)

    def _remember(self, used: dict[_Key, NDArray[np.float32]]) -> None:
        """Cache the query features that were used last."""
        with self._lock:
            for key, features in used.items():
                self._cache[key] = features
                self._cache.move_to_end(key)
            while len(self._cache) > MAX_CACHED:
                self._cache.popitem(last=False)
