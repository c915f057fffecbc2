"""Which labelled tiles no training on a collection ever sees: those that its models are judged by."""

from __future__ import annotations

import uuid

ONE_IN = 5


def is_held_out(tile_id: str) -> bool:
    """Whether a tile is kept from training: one in five, by its UUID, so the same ones in every index and every run.

    Raises:
        ValueError: the id is no UUID.
    """
    return uuid.UUID(tile_id).node % ONE_IN == 0
