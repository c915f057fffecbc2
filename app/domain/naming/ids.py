"""Identifiers: valid collection ids, and the UUIDv5 tile ids that make every ingest repeatable."""

from __future__ import annotations

import re
import uuid

from app.errors import InvalidInput

NAMESPACE = uuid.UUID("6f1d8f0e-3f0b-5c0a-9a53-d1ad00000001")
COLLECTION_ID = r"^[A-Za-z0-9_-]{1,64}$"
_COLLECTION_ID = re.compile(COLLECTION_ID)


def check_collection_id(value: str) -> str:
    """Return `value` if it is a valid collection id.

    Raises:
        InvalidInput: it does not consist of 1 to 64 letters, digits, `_`, `-`.
    """
    if not _COLLECTION_ID.fullmatch(value):
        raise InvalidInput(f"collection id {value!r}: use 1 to 64 of the characters A-Z a-z 0-9 _ -")
    return value


def tile_id(collection: str, source: str, window: str) -> str:
    """The id of the tile cut at `window` ("" for a whole image) from `source` in `collection`."""
    return str(uuid.uuid5(NAMESPACE, "\x1f".join((collection, source, window))))


def check_item_id(value: str) -> str:
    """Return `value` as a canonical UUID string.

    Raises:
        InvalidInput: it is not a UUID.
    """
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise InvalidInput(f"item id {value!r} is not a UUID") from None


def is_item_id(value: str) -> bool:
    """Whether an item can have this id."""
    try:
        check_item_id(value)
    except InvalidInput:
        return False
    return True
