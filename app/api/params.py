"""Parsing of request parameters: filters, searches, and the opaque page tokens."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from app.api.documents.search import MAX_IDS, MAX_LISTED, Diversify, RerankBudget, RerankDepth, SearchRequest
from app.domain.cql2.expression import Expression, parse_expression
from app.domain.crs import Crs, box_to_crs84
from app.domain.geometry import Bounds, GeoJSON, Region, parse_bbox, parse_geometry, parse_region
from app.domain.ids import check_item_id
from app.domain.search import MAX_LIMIT, Bookmark, RerankWish, SearchQuery, TileFilter
from app.domain.sorting import Sorted
from app.domain.temporal import parse_interval
from app.errors import InvalidInput
from app.services.catalogue.item_search import Position
from models.bundle.card import MAX_DEPTH

_BOOKMARK = TypeAdapter(Bookmark)


def parse_filter(
    *,
    bbox: str | Sequence[float] | None = None,
    bbox_crs: Crs = Crs.CRS84,
    intersects: str | GeoJSON | None = None,
    datetime: str | None = None,
    labels: str | Sequence[str] | None = None,
    ids: str | Sequence[str] | None = None,
    expression: str | Mapping[str, Any] | None = None,
    language: str | None = None,
) -> TileFilter:
    """The filter for the parameters of a query string or a JSON body.

    expression, language: `filter` and `filter-lang`.

    Raises:
        InvalidInput: bbox and intersects together, or a value that is not valid.
    """
    if bbox is not None and intersects is not None:
        raise InvalidInput("bbox and intersects exclude each other; send one of them")
    return TileFilter(
        region=_region(bbox, bbox_crs, intersects),
        interval=None if datetime is None else parse_interval(datetime),
        labels=tuple(dict.fromkeys(_listed(labels, "labels", MAX_LISTED))),
        ids=None if ids is None else tuple(dict.fromkeys(check_item_id(item) for item in _listed(ids, "ids", MAX_IDS))),
        expression=_expression(expression, language),
    )


def parse_search(body: SearchRequest) -> SearchQuery:
    """The search for a request body.

    Raises:
        InvalidInput: a filter, an identifier or the token is not valid.
    """
    return SearchQuery(
        positives=tuple(map(check_item_id, body.positives)),
        negatives=tuple(map(check_item_id, body.negatives)),
        filter=parse_filter(
            bbox=body.bbox,
            intersects=body.intersects,
            datetime=body.datetime,
            labels=body.labels,
            ids=body.ids,
            expression=body.filter,
            language=body.filter_lang,
        ),
        limit=min(body.limit, MAX_LIMIT),
        after=decode_bookmark(body.token),
        rerank=_wish(body.rerank),
        min_probability=body.min_probability,
        diversify=body.diversify is not False,
        other_dates=body.diversify.other_dates if isinstance(body.diversify, Diversify) else True,
        index_version=body.index_version,
        explain=body.explain,
        places=tuple(
            parse_place(each, name)
            for name, each in (
                ("point", body.point),
                ("region", body.region),
                *(("places", each) for each in body.places or ()),
            )
            if each is not None
        ),
        not_places=tuple(parse_place(each, "negative_places") for each in body.negative_places or ()),
    )


def parse_place(value: str | Sequence[float] | GeoJSON, name: str) -> Region:
    """A place of a search: `lon,lat`, [lon, lat] or a GeoJSON geometry. name: of the parameter.

    Raises:
        InvalidInput: it is none of these, or not on Earth.
    """
    if isinstance(value, dict):
        geometry = parse_geometry(value, name) if value.get("type") != "Feature" else None
        return parse_region(value) if geometry is None else Region(geometry, Bounds(*geometry.bounds))
    try:
        numbers = [float(each) for each in (value.split(",") if isinstance(value, str) else value)]
    except ValueError:
        numbers = []
    if len(numbers) != 2:
        raise InvalidInput(f"{name} {value!r} is not valid: send longitude,latitude in degrees")
    return parse_place({"type": "Point", "coordinates": numbers}, name)


def parse_rerank(text: str | None) -> RerankWish:
    """The value of `rerank` in a query string: `true`, `false`, or the number of candidates.

    Raises:
        InvalidInput: the value is none of these.
    """
    known = {"true": RerankWish(True), "false": RerankWish(False)}
    if text is None:
        return RerankWish()
    if text.lower() in known:
        return known[text.lower()]
    if text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= MAX_DEPTH:
        return RerankWish(depth=int(text))
    raise InvalidInput(f"rerank {text!r} is not valid: send true, false, or the number of candidates, 1 to {MAX_DEPTH}")


def _wish(value: bool | RerankDepth | RerankBudget | None) -> RerankWish:
    if isinstance(value, RerankDepth):
        return RerankWish(depth=value.depth)
    if isinstance(value, RerankBudget):
        return RerankWish(budget_ms=value.budget_ms)
    return RerankWish(value)


def _expression(value: str | Mapping[str, Any] | None, language: str | None) -> Expression | None:
    if value is None:
        if language is not None:
            raise InvalidInput("filter-lang needs `filter`")
        return None
    return parse_expression(value, language)


def _region(bbox: str | Sequence[float] | None, crs: Crs, intersects: str | GeoJSON | None) -> Region | None:
    if bbox is not None:
        return parse_bbox(box_to_crs84(_numbers(bbox) if isinstance(bbox, str) else bbox, crs))
    if isinstance(intersects, str):
        try:
            intersects = json.loads(intersects)
        except (ValueError, RecursionError):
            raise InvalidInput("intersects is not valid JSON: send a GeoJSON geometry as JSON text") from None
    if intersects is None:
        return None
    if not isinstance(intersects, dict):
        raise InvalidInput("intersects is not a JSON object: send a GeoJSON geometry")
    try:
        return parse_region(intersects)
    except RecursionError:
        raise InvalidInput("intersects is nested too deeply: send a GeoJSON geometry") from None


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InvalidInput(f"bbox {text!r} is not valid: send four numbers west,south,east,north in degrees") from None


def _listed(value: str | Sequence[str] | None, name: str, limit: int) -> list[str]:
    parts = value.split(",") if isinstance(value, str) else list(value or ())
    if len(parts) > limit:
        raise InvalidInput(f"{name} lists {len(parts)} values; the limit is {limit}")
    return [part.strip() for part in parts if part.strip()]


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
