"""Images that no tile refers to: their point was not written, or it was deleted, before a crash."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from app.ports import Blobs, VectorStore
from app.services.catalogue.images import image_keys, image_owner

AT_ONCE = 1000


def find_unreferenced_images(vectors: VectorStore, index: str, keys: Iterator[str]) -> Iterator[list[str]]:
    """The image keys to which no tile of an index refers, in lists. keys: image keys of one collection."""
    while chunk := list(islice(keys, AT_ONCE)):
        tiles = vectors.retrieve(index, sorted({image_owner(key) for key in chunk}))
        referenced = {key for tile in tiles.values() for key in image_keys(tile)}
        yield [key for key in chunk if key not in referenced]


def delete_unreferenced_images(vectors: VectorStore, blobs: Blobs, index: str, keys: Iterator[str]) -> None:
    """Delete these images. Only safe while no process writes images of the collection."""
    for unreferenced in find_unreferenced_images(vectors, index, keys):
        blobs.delete(unreferenced)
