"""The held-out tiles of a collection: models are evaluated on them, and no training uses them."""

from __future__ import annotations

import uuid

ONE_IN = 5


def is_held_out(tile_id: str) -> bool:
    """Whether a tile is held out: one in five, by its UUID, so the same tiles in every index and every run.

    Raises:
        ValueError: the id is not a UUID.
    """
    return uuid.UUID(tile_id).node % ONE_IN == 0
