"""The tiles of a collection: list, read, label, delete, and their images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from app.domain.queries.search import TileFilter
from app.domain.queries.sorting import Sorted, SortKey, sorted_ids
from app.domain.tiles import MAX_LABELS, LabelEdit, Tile
from app.errors import FieldError, NotFound, Outdated, Unprocessable
from app.imagery.pictures.previews import thumbnail
from app.ports import Blobs, Page, VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.images import image_keys

ADDRESS_SECONDS = 3600
PAGE = 1000
MAX_ORDERS = 16
"""Sorted lists of ids that are kept for further pages."""
SMALL_BYTES = 256 << 10
"""A preview of at most this many bytes is served as it is, not scaled down to a thumbnail."""
BROWSER_READY = (".jpg", ".png", ".webp")
MEDIA_TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".tif": "image/tiff", ".jp2": "image/jp2"}


class ItemService:
    """Reads and changes the tiles of the live index of a collection."""

    def __init__(self, collections: CollectionService, vectors: VectorStore, blobs: Blobs, max_pixels: int) -> None:
        self._collections = collections
        self._vectors = vectors
        self._blobs = blobs
        self._max_pixels = max_pixels
        self._order = lru_cache(maxsize=MAX_ORDERS)(self._read_order)

    def page(self, collection_id: str, filter: TileFilter, limit: int, after: str | None = None) -> tuple[Page, int]:
        """A page of qualifying tiles by id, and the total number of qualifying tiles.

        Raises:
            NotFound: the collection.
        """
        index = self._collections.live(collection_id).index
        page = self._vectors.scroll(index, limit=limit, filter=filter, after=after)
        matched = self._vectors.stats(index).size if filter.is_empty else self._vectors.count(index, filter)
        return page, matched

    def sorted_page(
        self, collection_id: str, filter: TileFilter, keys: tuple[SortKey, ...], limit: int, after: Sorted | None = None
    ) -> tuple[list[Tile], Sorted | None, int]:
        """A page of qualifying tiles in order of `keys`, where the next page begins (None after the last), and their number.

        The order is computed once for all pages, until a tile is written.

        Raises:
            NotFound: the collection.
        """
        index = self._collections.live(collection_id).index
        ids = self._order(index, self._vectors.stats(index).generation, filter, keys)
        start = 0 if after is None else place_after(ids, after)
        chosen = ids[start : start + limit]
        tiles = self._vectors.retrieve(index, chosen)
        end = start + len(chosen)
        following = Sorted(end, chosen[-1]) if chosen and end < len(ids) else None
        return [tiles[item] for item in chosen if item in tiles], following, len(ids)

    def sorted_walk(self, collection_id: str, filter: TileFilter, keys: tuple[SortKey, ...]) -> Iterator[Tile]:
        """All qualifying tiles in order of `keys`.

        Raises:
            NotFound: the collection.
        """
        after: Sorted | None = None
        while True:
            tiles, after, _ = self.sorted_page(collection_id, filter, keys, PAGE, after)
            yield from tiles
            if after is None:
                return

    def walk(self, collection_id: str, filter: TileFilter) -> Iterator[Tile]:
        """All qualifying tiles, by id.

        Raises:
            NotFound: the collection.
        """
        return walk(self._vectors, self._collections.live(collection_id).index, filter)

    def _read_order(self, index: str, _generation: int, filter: TileFilter, keys: tuple[SortKey, ...]) -> list[str]:
        return sorted_ids(walk(self._vectors, index, filter), keys)

    def get(self, collection_id: str, item_id: str) -> Tile:
        """One tile.

        Raises:
            NotFound: the collection or the tile.
        """
        tile = self._vectors.retrieve(self._collections.live(collection_id).index, [item_id]).get(item_id)
        if tile is None:
            raise NotFound(f"no item {item_id!r} in collection {collection_id!r}")
        return tile

    def patch(
        self,
        collection_id: str,
        item_id: str,
        labels: tuple[str, ...] | LabelEdit | None = None,
        properties: Mapping[str, Any] | None = None,
        is_current: Callable[[Tile], bool] | None = None,
    ) -> Tile:
        """Replace or edit a tile's labels, and merge properties into its own (None removes one).

        The tile is read and written under the write lock, so concurrent edits are all applied. is_current: whether the stored
        tile is the version that the client wants to change; None: any version.

        Raises:
            NotFound: the collection or the tile. Outdated: the tile is not current. Unprocessable: too many labels.
        """
        with self._collections.writing(collection_id) as live:
            before = self._current(collection_id, item_id, is_current)
            tile = replace(before, labels=_edited(before.labels, labels))
            if properties is not None:
                merged = {**tile.properties, **properties}
                tile = replace(tile, properties={key: value for key, value in merged.items() if value is not None})
            if tile != before:
                self._vectors.set_records(live.index, [tile])
                self._vectors.flush(live.index)
        return tile

    def delete(self, collection_id: str, item_id: str, is_current: Callable[[Tile], bool] | None = None) -> None:
        """Delete a tile and its image. is_current: as in `patch`.

        Raises:
            NotFound: the collection or the tile. Outdated: the tile is not current.
        """
        with self._collections.writing(collection_id) as live:
            tile = self._current(collection_id, item_id, is_current)
            self._vectors.delete(live.index, [item_id])
            self._vectors.flush(live.index)
        self._blobs.delete(image_keys(tile))

    def _current(self, collection_id: str, item_id: str, is_current: Callable[[Tile], bool] | None) -> Tile:
        tile = self.get(collection_id, item_id)
        if is_current is not None and not is_current(tile):
            raise Outdated(
                f"item {item_id!r} was changed since it was read; GET it again, then repeat the request with its new ETag"
            )
        return tile

    def labels(self, collection_id: str, filter: TileFilter, limit: int) -> list[tuple[str, int]]:
        """The labels of the qualifying tiles and their counts, most frequent first.

        Raises:
            NotFound: the collection.
        """
        return self._vectors.facet(self._collections.live(collection_id).index, "labels", filter=filter, limit=limit)

    def image(self, tile: Tile) -> tuple[bytes, str, str]:
        """The stored bytes of a tile's image, their media type, and a file name.

        Raises:
            NotFound: the tile has been deleted.
        """
        _check_image(tile)
        suffix = PurePosixPath(tile.image).suffix
        stem = PurePosixPath(tile.file_name).stem
        place = "" if tile.window is None else f"_{tile.window.col}_{tile.window.row}"
        return self._blobs.get(tile.image), media_type(tile.image), f"{stem}{place}{suffix}"

    def thumbnail(self, tile: Tile, size: int) -> tuple[bytes, str, str]:
        """A browser-ready image of at most `size` pixels per side, its media type, and an entity tag of its content.

        Raises:
            NotFound: the tile has been deleted.
        """
        _check_image(tile)
        data, media_type = thumbnail(self._blobs.get(tile.preview or tile.image), size, self._max_pixels)
        return data, media_type, f"{tile.content_hash[:24]}-{size}"

    def picture_address(self, tile: Tile) -> str | None:
        """A signed URL of the object store for a small image of a tile, valid for `ADDRESS_SECONDS`; None if not supported.

        Raises:
            NotFound: the tile has been deleted.
        """
        key = tile.preview or tile.image
        if not key.endswith(BROWSER_READY):
            return None
        address = self._blobs.sign(key, ADDRESS_SECONDS)
        return address if address is not None and self._blobs.size(key) <= SMALL_BYTES else None

    def image_address(self, tile: Tile) -> str | None:
        """A signed URL of the object store for a tile's stored image; None if not supported."""
        return self._blobs.sign(tile.image, ADDRESS_SECONDS) if tile.has_image else None


def _check_image(tile: Tile) -> None:
    if not tile.has_image:
        raise NotFound(f"item {tile.id!r} has no image: its embedding was imported")


def media_type(key: str) -> str:
    """The media type of a stored image by its key."""
    return MEDIA_TYPES.get(f".{key.rpartition('.')[2]}", "application/octet-stream")


def walk(vectors: VectorStore, index: str, filter: TileFilter) -> Iterator[Tile]:
    """All qualifying tiles of an index, by id, read in pages."""
    after: str | None = None
    while True:
        page = vectors.scroll(index, limit=PAGE, filter=filter, after=after)
        yield from page.tiles
        after = page.after
        if after is None:
            return


def place_after(ids: list[str], after: Sorted) -> int:
    """Where a list continues after a place, also if tiles were added or deleted since."""
    if 0 < after.number <= len(ids) and ids[after.number - 1] == after.id:
        return after.number
    return ids.index(after.id) + 1 if after.id in ids else min(after.number, len(ids))


def _edited(before: tuple[str, ...], labels: tuple[str, ...] | LabelEdit | None) -> tuple[str, ...]:
    """The labels of a tile after an edit. Raises `Unprocessable` if it adds labels beyond `MAX_LABELS`."""
    if labels is None:
        return before
    after = labels.applied(before) if isinstance(labels, LabelEdit) else tuple(dict.fromkeys(labels))
    if len(after) > max(MAX_LABELS, len(before)):
        message = f"the tile would have {len(after)} labels, more than {MAX_LABELS}; remove some labels of it first"
        raise Unprocessable(f"labels: {message}", [FieldError("labels", message)])
    return after
