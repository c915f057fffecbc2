"""The opaque page tokens of listings and searches."""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import Any

from pydantic import TypeAdapter, ValidationError

from app.domain.naming.ids import check_item_id
from app.domain.queries.search import Bookmark
from app.domain.queries.sorting import Sorted
from app.errors import InvalidInput
from app.services.catalogue.item_search import Position
from models.bundle.card import MAX_DEPTH

_BOOKMARK = TypeAdapter(Bookmark)


def encode_bookmark(mark: Bookmark) -> str:
    """The token of the page after a bookmark."""
    return _encode(_BOOKMARK.dump_python(mark, mode="json", exclude_defaults=True))


def decode_bookmark(token: str | None) -> Bookmark | None:
    """The bookmark of a token; None without a token.

    Raises:
        InvalidInput: it is not a token of a search.
    """
    if token is None:
        return None
    try:
        mark = _BOOKMARK.validate_python(_decode(token))
    except ValidationError:
        raise _bad_token() from None
    places = [cursor for cursor in (mark.start, mark.judged, mark.end) if cursor is not None]
    numbers = [mark.shift, *(cursor.score for cursor in places), *([] if mark.last is None else mark.last[:1])]
    counts = [mark.seen, mark.depth, mark.matches_end_at or 0, *(cursor.seen for cursor in places)]
    if not all(map(math.isfinite, numbers)) or min(counts) < 0 or mark.depth > MAX_DEPTH:
        raise _bad_token()
    for item in (*(cursor.id for cursor in places), *([] if mark.last is None else mark.last[1:])):
        check_item_id(item)
    return mark


def encode_after(item_id: str) -> str:
    """The token of the page after an item."""
    return _encode(item_id)


def encode_position(position: Position) -> str:
    """The token of the page after a position in several collections."""
    return _encode(list(position))


def decode_position(token: str | None) -> Position | None:
    """The position of a token; None without a token.

    Raises:
        InvalidInput: it is not a token of a search over collections.
    """
    if token is None:
        return None
    match _decode(token):
        case [str() as collection, None]:
            return Position(collection, None)
        case [str() as collection, str() as item]:
            return Position(collection, check_item_id(item))
    raise _bad_token()


def encode_place(place: Sorted) -> str:
    """The token of the page after a place in a sorted list."""
    return _encode([place.number, place.id])


def decode_place(token: str | None) -> Sorted | None:
    """The place of a token; None without a token.

    Raises:
        InvalidInput: it is not a token of a sorted list.
    """
    if token is None:
        return None
    match _decode(token):
        case [int() as number, str() as item] if 0 <= number < 1 << 62:
            return Sorted(number, check_item_id(item))
    raise _bad_token()


def decode_after(token: str | None) -> str | None:
    """The item of a token; None without a token.

    Raises:
        InvalidInput: it is not a token of a list.
    """
    if token is None:
        return None
    item = _decode(token)
    if not isinstance(item, str):
        raise _bad_token()
    return check_item_id(item)


def _encode(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")


def _decode(token: str) -> Any:
    try:
        return json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        raise _bad_token() from None


def _bad_token() -> InvalidInput:
    return InvalidInput("token is not valid: use the `next` link of the previous page, with the other parameters unchanged")
