"""Embeddings that were made elsewhere: the model `vectors-D` of a collection stands for them."""

from __future__ import annotations

import re

_ID = re.compile(r"vectors-([1-9]\d{0,4})")
MIN_DIMENSION, MAX_DIMENSION = 2, 65_536


def vectors_model(dimension: int) -> str:
    """Id of the model of a collection with embeddings of this dimension."""
    return f"vectors-{dimension}"


def vectors_dimension(model_id: str) -> int | None:
    """The dimension in the id of such a model; None for another model."""
    found = _ID.fullmatch(model_id)
    dimension = 0 if found is None else int(found[1])
    return dimension if MIN_DIMENSION <= dimension <= MAX_DIMENSION else None
