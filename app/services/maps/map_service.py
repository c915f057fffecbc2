"""Map tiles of saved searches and collections, cached."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from time import monotonic
from typing import Generic, TypeVar

from app.domain.queries.search import SearchQuery, TileFilter
from app.ports import VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.items import walk
from app.services.maps.date_counts import counts_by_interval
from app.services.maps.footprint_layer import Overview, overview_of
from app.services.maps.similarity_layer import SimilarityLayer, layer_of
from app.services.search.search import SearchService

MAX_LAYERS = 4
MAX_TILES = 1024
PAGE = 10_000
"""Results that are read at once."""
KEPT_SECONDS = 60
"""How long an overview is used after writes that neither add nor remove a tile, such as labels."""
MAX_READ = 20_000
"""Tiles of an index whose dates are read one by one; more are counted by month or year."""
Made = TypeVar("Made")


class Cache(Generic[Made]):
    """The values that were used last, each made once. Thread-safe."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = Lock()
        self._making: dict[object, Lock] = {}
        self._values: OrderedDict[object, Made] = OrderedDict()

    def get(self, key: object, make: Callable[[], Made]) -> Made:
        """The value of a key; requests for the same key wait for the first."""
        with self._lock:
            making = self._making.setdefault(key, Lock())
        try:
            with making:
                with self._lock:
                    if key in self._values:
                        self._values.move_to_end(key)
                        return self._values[key]
                value = make()
                with self._lock:
                    self._values[key] = value
                    while len(self._values) > self._size:
                        self._values.popitem(last=False)
                return value
        finally:
            with self._lock:
                self._making.pop(key, None)


class MapService:
    """Layers and tiles. The layer of a search is read once, and again after a write to its index."""

    def __init__(self, collections: CollectionService, vectors: VectorStore, search: SearchService) -> None:
        self._collections = collections
        self._vectors = vectors
        self._search = search
        self._layers = Cache[SimilarityLayer](MAX_LAYERS)
        self._overviews = Cache[Overview](MAX_LAYERS)
        self._counts = Cache[list[tuple[str, int]]](MAX_LAYERS)
        self._lock = Lock()
        self._seen: dict[str, tuple[int, int, float]] = {}
        self.tiles = Cache[bytes](MAX_TILES)

    def state(self, collection_id: str, version: str | None) -> tuple[str, int]:
        """The index of a version and a number that changes with every write to it.

        Raises:
            NotFound: the collection, or the version.
        """
        index = self._collections.live(collection_id, version).index
        return index, self._vectors.stats(index).generation

    def layer(
        self, search_id: str, collection_id: str, query: SearchQuery, image: Callable[[], bytes | None]
    ) -> SimilarityLayer:
        """All results of a saved search. image: reads its uploaded image.

        Raises:
            As `SearchService.search`.
        """
        key = search_id, self.state(collection_id, query.index_version)

        def read() -> SimilarityLayer:
            pages = self._search.all_pages(collection_id, replace(query, limit=PAGE), image())
            return layer_of(match for page in pages for match in page.hits)

        return self._layers.get(key, read)

    def overview_state(self, collection_id: str) -> tuple[str, int]:
        """The index of a collection and a number that changes when its overview is read again.

        Raises:
            NotFound: the collection.
        """
        index = self._collections.live(collection_id).index
        stats = self._vectors.stats(index)
        now = monotonic()
        with self._lock:
            generation, size, read = self._seen.get(index, (-1, -1, 0.0))
            if generation != stats.generation and (size != stats.size or now - read > KEPT_SECONDS):
                generation = stats.generation
                self._seen[index] = generation, stats.size, now
        return index, generation

    def overview(self, collection_id: str) -> Overview:
        """The footprints and dates of all tiles of a collection.

        Raises:
            NotFound: the collection.
        """
        key = self.overview_state(collection_id)
        return self._overviews.get(key, lambda: overview_of(walk(self._vectors, key[0], TileFilter())))

    def dates(self, collection_id: str) -> tuple[list[tuple[str, int]], int]:
        """Numbers of tiles by date, in large collections by month or year, ascending; and the number of tiles without a date.

        Raises:
            NotFound: the collection.
        """
        key = self.overview_state(collection_id)
        size = self._vectors.stats(key[0]).size
        if size <= MAX_READ:
            overview = self.overview(collection_id)
            return overview.dates, overview.undated
        counts = self._counts.get(key, lambda: counts_by_interval(self._vectors, key[0]))
        return counts, max(0, size - sum(count for _, count in counts))
