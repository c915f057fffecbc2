"""Blob keys of tile images: the prefix of a collection, the keys of a tile, and the tile of a key."""

from __future__ import annotations

from app.domain.tiles import Tile


def images_prefix(collection_id: str) -> str:
    """The key prefix of all images of a collection."""
    return f"collections/{collection_id}/"


def image_keys(tile: Tile) -> tuple[str, ...]:
    """The blob keys of a tile: its image and, if it has one, its preview."""
    if not tile.has_image:
        return ()
    return (tile.image,) if tile.preview is None else (tile.image, tile.preview)


def image_owner(key: str) -> str:
    """Id of the tile whose image or preview is stored under a blob key."""
    return key.rsplit("/", 1)[-1][:36]
