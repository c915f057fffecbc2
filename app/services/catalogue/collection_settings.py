"""Checks the settings of a collection."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from app.domain.collections import Collection
from app.errors import FieldError, InvalidInput, Unprocessable

SHAPING = ("tile_size", "stride", "bands", "scaling", "model")
"""Settings that can change only while a collection is empty."""


def validated(values: dict[str, Any]) -> Collection:
    """The collection with these fields.

    Raises:
        Unprocessable: a field is invalid. InvalidInput: the stride leaves gaps between tiles.
    """
    try:
        collection = Collection.model_validate(values)
    except ValidationError as error:
        errors = [FieldError(".".join(map(str, e["loc"])), e["msg"].removeprefix("Value error, ")) for e in error.errors()]
        raise Unprocessable("; ".join(f"{e.loc}: {e.message}" if e.loc else e.message for e in errors), errors) from None
    if collection.stride > collection.tile_size:
        raise InvalidInput(
            f"stride {collection.stride} is larger than tile_size {collection.tile_size}, which leaves gaps between tiles; "
            f"use 1 to {collection.tile_size}"
        )
    return collection


def shaping_changes(before: Collection, after: Collection) -> list[str]:
    """Names of the changed settings that can change only while the collection is empty."""
    return [name for name in SHAPING if getattr(after, name) != getattr(before, name)]
