"""Images whose point was never written, or is gone: what a crash leaves of an ingest."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from app.ports import Blobs, VectorStore
from app.services.catalogue.images import image_keys, image_owner

AT_ONCE = 1000


def find_orphans(vectors: VectorStore, index: str, keys: Iterator[str]) -> Iterator[list[str]]:
    """Of the keys of images those that no tile of an index names, some at a time."""
    while chunk := list(islice(keys, AT_ONCE)):
        tiles = vectors.retrieve(index, sorted({image_owner(key) for key in chunk}))
        named = {key for tile in tiles.values() for key in image_keys(tile)}
        yield [key for key in chunk if key not in named]


def remove_orphans(vectors: VectorStore, blobs: Blobs, index: str, keys: Iterator[str]) -> None:
    """Delete them, where nobody writes new ones."""
    for orphans in find_orphans(vectors, index, keys):
        blobs.delete(orphans)
