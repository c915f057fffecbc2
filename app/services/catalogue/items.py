"""The tiles of a collection: list, read, label, delete, and their images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from app.domain.search import TileFilter
from app.domain.tiles import Tile
from app.errors import NotFound
from app.imagery.raster.previews import thumbnail
from app.ports import Blobs, Page, VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.images import image_keys

ADDRESS_SECONDS = 3600
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

    def page(self, collection_id: str, filter: TileFilter, limit: int, after: str | None = None) -> tuple[Page, int]:
        """A page of qualifying tiles by id, and the total number of qualifying tiles.

        Raises:
            NotFound: the collection.
        """
        index = self._collections.live(collection_id).index
        page = self._vectors.scroll(index, limit=limit, filter=filter, after=after)
        matched = self._vectors.stats(index).size if filter.is_empty else self._vectors.count(index, filter)
        return page, matched

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
        labels: tuple[str, ...] | None = None,
        properties: Mapping[str, Any] | None = None,
    ) -> Tile:
        """Replace a tile's labels, and merge properties into its own (None removes one).

        Raises:
            NotFound: the collection or the tile.
        """
        with self._collections.writing(collection_id) as live:
            tile = self.get(collection_id, item_id)
            if labels is not None:
                tile = replace(tile, labels=tuple(dict.fromkeys(labels)))
            if properties is not None:
                merged = {**tile.properties, **properties}
                tile = replace(tile, properties={key: value for key, value in merged.items() if value is not None})
            self._vectors.set_records(live.index, [tile])
            self._vectors.flush(live.index)
        return tile

    def delete(self, collection_id: str, item_id: str) -> None:
        """Delete a tile and its image.

        Raises:
            NotFound: the collection or the tile.
        """
        with self._collections.writing(collection_id) as live:
            tile = self.get(collection_id, item_id)
            self._vectors.delete(live.index, [item_id])
            self._vectors.flush(live.index)
        self._blobs.delete(image_keys(tile))

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
        suffix = PurePosixPath(tile.image).suffix
        stem = PurePosixPath(tile.file_name).stem
        place = "" if tile.window is None else f"_{tile.window.col}_{tile.window.row}"
        return self._blobs.get(tile.image), MEDIA_TYPES.get(suffix, "application/octet-stream"), f"{stem}{place}{suffix}"

    def thumbnail(self, tile: Tile, size: int) -> tuple[bytes, str, str]:
        """A browser-ready image of at most `size` pixels per side, its media type, and an entity tag of its content.

        Raises:
            NotFound: the tile has been deleted.
        """
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
        return self._blobs.sign(tile.image, ADDRESS_SECONDS)
