"""Items of several collections: filtered, by collection and id or sorted, in pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from app.domain.queries.search import TileFilter
from app.domain.queries.sorting import Sorted, SortKey, sorted_ids
from app.domain.tiles import Tile
from app.ports import VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.items import MAX_ORDERS, ItemService, place_after, walk

COLLECTION = "collection"
"""Property of all items in a search over collections."""


class Position(NamedTuple):
    """Where a page ends: the collection of its last item, and that item (None: the collection has not begun)."""

    collection: str
    item: str | None


@dataclass(frozen=True, slots=True)
class FoundPage:
    """Collection and tile of the items of a page. matched: number of all items. after: None after the last page."""

    found: list[tuple[str, Tile]]
    matched: int
    after: Position | Sorted | None


def _within(filter: TileFilter, collection_id: str) -> TileFilter:
    """The filter in one collection, whose id is the property `collection`."""
    if filter.expression is None:
        return filter
    return replace(filter, expression=filter.expression.given(COLLECTION, collection_id))


class ItemSearch:
    """Searches the items of the live indexes of collections."""

    def __init__(self, collections: CollectionService, items: ItemService, vectors: VectorStore) -> None:
        self._collections = collections
        self._items = items
        self._vectors = vectors
        self._order = lru_cache(maxsize=MAX_ORDERS)(self._read_order)

    def ids(self, named: Sequence[str] = ()) -> list[str]:
        """The collections to search: the named ones, or all that can be read, sorted.

        Raises:
            NotFound: a named one does not exist.
        """
        if not named:
            return [info.collection.id for info in self._collections.infos()]
        for collection_id in named:
            self._collections.live(collection_id)
        return sorted({*named})

    def page(self, collections: Sequence[str], filter: TileFilter, limit: int, after: Position | None = None) -> FoundPage:
        """A page by collection and id. collections: sorted.

        Raises:
            NotFound: a collection.
        """
        found: list[tuple[str, Tile]] = []
        matched, end = 0, None
        for collection_id in collections:
            begins = None if after is None or after.collection != collection_id else after.item
            is_done = after is not None and collection_id < after.collection
            page, count = self._items.page(collection_id, _within(filter, collection_id), max(limit - len(found), 1), begins)
            matched += count
            if is_done or end is not None:
                continue
            room = limit - len(found)
            if room == 0:
                end = Position(collection_id, None) if page.tiles else None
                continue
            found += [(collection_id, tile) for tile in page.tiles]
            end = None if page.after is None else Position(collection_id, page.after)
        return FoundPage(found, matched, end)

    def sorted_page(
        self, collections: Sequence[str], filter: TileFilter, keys: tuple[SortKey, ...], limit: int, after: Sorted | None = None
    ) -> FoundPage:
        """A page in the order of `keys` over all collections.

        Raises:
            NotFound: a collection.
        """
        indexes = tuple(self._collections.live(collection_id).index for collection_id in collections)
        versions = tuple(self._vectors.stats(index).generation for index in indexes)
        order = self._order(tuple(zip(collections, indexes, versions, strict=True)), filter, keys)
        start = 0 if after is None else place_after([item for item, _ in order], after)
        chosen = order[start : start + limit]
        tiles: dict[str, Tile] = {}
        for collection_id, index in zip(collections, indexes, strict=True):
            tiles |= self._vectors.retrieve(index, [item for item, owner in chosen if owner == collection_id])
        end = start + len(chosen)
        following = Sorted(end, chosen[-1][0]) if chosen and end < len(order) else None
        return FoundPage([(owner, tiles[item]) for item, owner in chosen if item in tiles], len(order), following)

    def _read_order(
        self, sources: tuple[tuple[str, str, int], ...], filter: TileFilter, keys: tuple[SortKey, ...]
    ) -> list[tuple[str, str]]:
        """Ids of items with their collections, in order."""
        owners: dict[str, str] = {}

        def tiles() -> Iterator[Tile]:
            for collection_id, index, _ in sources:
                for tile in walk(self._vectors, index, _within(filter, collection_id)):
                    owners[tile.id] = collection_id
                    yield tile

        return [(item, owners[item]) for item in sorted_ids(tiles(), keys)]
