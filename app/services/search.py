"""Search by examples: an uploaded image, indexed tiles, tiles that are wrong. The strategy is explained in docs/search.md."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.domain.search import Cursor, SearchQuery, SearchResult, TileFilter
from app.errors import InvalidInput
from app.imagery.tiling import read_query
from app.ports import VectorStore
from app.services.collections import CollectionService
from app.services.cutting import cut_spec
from app.services.models import ModelService
from app.services.rocchio import direction


class SearchService:
    """Answers searches on the live index of a collection."""

    def __init__(self, collections: CollectionService, models: ModelService, vectors: VectorStore, max_pixels: int) -> None:
        self._collections = collections
        self._models = models
        self._vectors = vectors
        self._max_pixels = max_pixels

    def search(self, collection_id: str, query: SearchQuery, image: Path | None = None) -> SearchResult:
        """The tiles most similar to the examples of the query and the uploaded image (a file).

        Raises:
            NotFound: the collection, or an example. InvalidInput: no example, or examples that cancel out.
            UnreadableImage, TooLarge: the image.
        """
        timer = Timer()
        collection = self._collections.get(collection_id)
        index = self._collections.live(collection_id).index
        uploaded: NDArray[np.float32] | None = None
        if image is not None:
            model = self._models.load(collection.model)
            with timer.stage("decode"):
                tile = read_query(image, cut_spec(collection, model.card, self._max_pixels))
            with timer.stage("embed"):
                uploaded = model.embed(tile[np.newaxis]).embedding
        with timer.stage("search"):
            vector = self._direction(index, uploaded, query)
            examples = tuple(dict.fromkeys((*query.positives, *query.negatives)))
            filter = replace(query.filter, exclude_ids=(*query.filter.exclude_ids, *examples))
            hits = self._vectors.search(index, vector, limit=query.limit + 1, filter=filter, after=query.after)
            matched = self._matched(index, filter)
        more, hits = len(hits) > query.limit, hits[: query.limit]
        seen = query.after.seen if query.after else 0
        after = Cursor(hits[-1].score, hits[-1].tile.id, seen + len(hits)) if more else None
        version = index.removeprefix(f"{collection_id}.")
        return SearchResult(hits, matched, seen, after, collection.model, version, timer.totals())

    def _matched(self, index: str, filter: TileFilter) -> int:
        """How many tiles qualify. The excluded ones are counted apart, so that the store sees the same filter again."""
        base = replace(filter, exclude_ids=())
        total = self._vectors.stats(index).size if base.is_empty else self._vectors.count(index, base)
        excluded = tuple(item for item in filter.exclude_ids if base.ids is None or item in base.ids)
        return total - self._vectors.count(index, replace(base, ids=excluded)) if excluded else total

    def _direction(self, index: str, uploaded: NDArray[np.float32] | None, query: SearchQuery) -> NDArray[np.float32]:
        """(D,) where the examples point. uploaded: (1, D) embedding of the image, or None."""
        parts = [] if uploaded is None else [uploaded]
        if query.positives:
            parts.append(self._examples(index, query.positives))
        if not parts:
            raise InvalidInput("nothing to search for: upload an image, or name at least one tile in `positives`")
        negatives = self._examples(index, query.negatives) if query.negatives else parts[0][:0]
        return direction(np.concatenate(parts), negatives)

    def _examples(self, index: str, ids: Sequence[str]) -> NDArray[np.float32]:
        """(N, D) embeddings of indexed tiles, each once."""
        return self._vectors.vectors(index, list(dict.fromkeys(ids))).embedding


class Timer:
    """Milliseconds by stage."""

    STAGES = ("decode", "embed", "search", "rerank")

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._spent = dict.fromkeys(self.STAGES, 0.0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._spent[name] += time.perf_counter() - start

    def totals(self) -> dict[str, float]:
        """All stages and `total`, in milliseconds."""
        spent = {**self._spent, "total": time.perf_counter() - self._start}
        return {name: round(seconds * 1000, 3) for name, seconds in spent.items()}
