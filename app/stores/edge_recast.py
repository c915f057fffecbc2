"""A shard made of another one: its files copied, which takes a second where its points would take a minute, and new vectors
written into the copy.
"""

from __future__ import annotations

from pathlib import Path

from app.errors import ModelMismatch
from app.stores.edge_index import EdgeIndex
from app.stores.indexes import Remake, Step, parts_of, remade

_BATCH = 50
"""So few that a search waits for a millisecond at most."""
_FLUSH_EVERY = 5000


def recast(source: EdgeIndex, shard: Path, remake: Remake, step: Step, *, reserve: int) -> bool:
    """Copy `source` into the new folder `shard`, with the embeddings that `remake` makes; False if there is one it cannot make.

    step: called after each few tiles with how many are done. reserve: as for `EdgeIndex`.

    Raises:
        ModelMismatch: the new embeddings are of another dimension.
    """
    source.copy_to(shard)
    copy = EdgeIndex(shard, source.dimension, reserve=reserve)
    done = 0
    try:
        for points in parts_of(copy, _BATCH, ["feature"]):
            made = remade(points, copy.dimension, remake)
            if made is None:
                return False
            if made.shape[1] != copy.dimension:
                raise ModelMismatch(f"{made.shape[1]}-d vectors for an index of {copy.dimension}-d ones")
            copy.set_vectors([(point, row) for (point, _, _), row in zip(points, made.tolist(), strict=True)])
            done += len(points)
            if done % _FLUSH_EVERY < len(points):
                copy.flush()
            step(done, False)
    finally:
        copy.close()
    return True
