"""Copies a shard with new vectors: copies its files, then replaces the vectors in the copy.

This takes a second where upserting the points takes a minute.
"""

from __future__ import annotations

from pathlib import Path

from app.atomic_files import sync_tree
from app.errors import ModelMismatch
from app.stores.vectors.edge.edge_index import EdgeIndex
from app.stores.vectors.edge.tabled_index import TabledIndex
from app.stores.vectors.index_protocol import scroll_all
from app.stores.vectors.indexed_store import Step, Transform, transformed

_BATCH = 50
"""Points of one write; a concurrent search waits for a millisecond at most."""


def copy_with_vectors(source: EdgeIndex, shard: Path, transform: Transform, step: Step, *, reserve: int) -> TabledIndex | None:
    """Copy `source` into the new folder `shard` with the embeddings that `transform` returns.

    Returns the copy, open and durable, or None if `transform` cannot compute some of them.

    step: called after each batch with the number of tiles done. reserve: as for `EdgeIndex`.

    Raises:
        ModelMismatch: the new embeddings have another dimension.
    """
    source.copy_to(shard)
    copy = TabledIndex(shard, source.dimension, reserve=reserve)
    is_whole = False
    try:
        is_whole = _transform_in_place(copy, transform, step)
        if is_whole:
            sync_tree(shard)  # the engine's own flush holds the interpreter lock while it waits for the disk
            copy.flush()
    finally:
        if not is_whole:
            copy.close()
    return copy if is_whole else None


def _transform_in_place(index: EdgeIndex, transform: Transform, step: Step) -> bool:
    done = 0
    for points in scroll_all(index, _BATCH, ["feature"]):
        made = transformed(points, index.dimension, transform)
        if made is None:
            return False
        if made.shape[1] != index.dimension:
            raise ModelMismatch(f"{made.shape[1]}-d vectors cannot be written to an index of {index.dimension}-d vectors")
        index.set_vectors([(point, row) for (point, _, _), row in zip(points, made.tolist(), strict=True)])
        done += len(points)
        step(done, False)
    return True
