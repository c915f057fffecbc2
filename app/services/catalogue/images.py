"""Where the blob store keeps the images of tiles: the keys of a collection, of one tile, and the tile of a key."""

from __future__ import annotations

from app.domain.tiles import Tile


def images_prefix(collection_id: str) -> str:
    """The prefix of all image keys of a collection."""
    return f"collections/{collection_id}/"


def image_keys(tile: Tile) -> tuple[str, ...]:
    """The blob keys that a tile owns: its image and, where it has one, its preview."""
    return (tile.image,) if tile.preview is None else (tile.image, tile.preview)


def image_owner(key: str) -> str:
    """The id of the tile whose image or preview is stored under a blob key."""
    return key.rsplit("/", 1)[-1][:36]
