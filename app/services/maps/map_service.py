"""Map tiles of saved searches and collections, cached."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from typing import Generic, TypeVar

from app.domain.search import SearchQuery
from app.ports import VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.maps.similarity_layer import SimilarityLayer, layer_of
from app.services.search.search import SearchService

MAX_LAYERS = 4
MAX_TILES = 1024
PAGE = 10_000
"""Results that are read at once."""
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
