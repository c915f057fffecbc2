"""Parameters that travel as text: filters and the opaque tokens of paging."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Sequence
from typing import Any

from app.api.schemas import SearchRequest
from app.domain.geometry import GeoJSON, Region, parse_bbox, parse_region
from app.domain.ids import check_item_id
from app.domain.search import MAX_LIMIT, Cursor, SearchQuery, TileFilter
from app.domain.temporal import parse_interval
from app.errors import InvalidInput


def parse_filter(
    *,
    bbox: str | Sequence[float] | None = None,
    intersects: str | GeoJSON | None = None,
    datetime: str | None = None,
    labels: str | Sequence[str] | None = None,
    ids: str | Sequence[str] | None = None,
) -> TileFilter:
    """The filter that the parameters of a query string or a JSON body mean.

    Raises:
        InvalidInput: bbox and intersects together, or one that cannot be understood.
    """
    if bbox is not None and intersects is not None:
        raise InvalidInput("bbox and intersects exclude each other; give one of them")
    return TileFilter(
        region=_region(bbox, intersects),
        interval=None if datetime is None else parse_interval(datetime),
        labels=tuple(dict.fromkeys(_listed(labels))),
        ids=None if ids is None else tuple(dict.fromkeys(check_item_id(item) for item in _listed(ids))),
    )


def parse_search(body: SearchRequest) -> SearchQuery:
    """The search that a request body means.

    Raises:
        InvalidInput: a filter, an id or the token; or a probability asked of a model that gives none.
    """
    if body.min_probability is not None:
        raise InvalidInput("min_probability: the collection's model has no matcher and so no probabilities; leave it out")
    return SearchQuery(
        positives=tuple(map(check_item_id, body.positives)),
        negatives=tuple(map(check_item_id, body.negatives)),
        filter=parse_filter(
            bbox=body.bbox, intersects=body.intersects, datetime=body.datetime, labels=body.labels, ids=body.ids
        ),
        limit=min(body.limit, MAX_LIMIT),
        after=decode_cursor(body.token),
    )


def _region(bbox: str | Sequence[float] | None, intersects: str | GeoJSON | None) -> Region | None:
    if bbox is not None:
        return parse_bbox(_numbers(bbox) if isinstance(bbox, str) else bbox)
    if isinstance(intersects, str):
        try:
            intersects = json.loads(intersects)
        except ValueError:
            raise InvalidInput("intersects: a GeoJSON geometry, written as JSON, is needed") from None
    if intersects is None:
        return None
    if not isinstance(intersects, dict):
        raise InvalidInput("intersects: a GeoJSON geometry is needed")
    return parse_region(intersects)


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InvalidInput(f"bbox {text!r}: give four numbers, west,south,east,north, in degrees") from None


def _listed(value: str | Sequence[str] | None) -> list[str]:
    parts = value.split(",") if isinstance(value, str) else list(value or ())
    return [part.strip() for part in parts if part.strip()]


def encode_cursor(cursor: Cursor) -> str:
    """The token of the page behind a hit."""
    return _encode([cursor.score, cursor.id, cursor.seen])


def decode_cursor(token: str | None) -> Cursor | None:
    """The inverse; None for no token.

    Raises:
        InvalidInput: not a token of a search.
    """
    if token is None:
        return None
    match _decode(token):
        case [int() | float() as score, str() as item, int() as seen] if math.isfinite(score) and seen >= 0:
            return Cursor(float(score), check_item_id(item), seen)
    raise _bad_token()


def encode_after(item_id: str) -> str:
    """The token of the page behind an item."""
    return _encode(item_id)


def decode_after(token: str | None) -> str | None:
    """The inverse; None for no token.

    Raises:
        InvalidInput: not a token of a listing.
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
    return InvalidInput("token: take it from the `next` link of the page before, and keep the other parameters as they were")
