"""Selections of STAC Items: tested on Items, and sent to STAC APIs so that they return fewer Items."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

import cql2

from app.domain.naming.urls import Url
from app.domain.places.geometry import parse_bbox
from app.domain.scheduling.stac_selection import Conditions
from app.domain.temporal import Interval, format_instant, parse_instant
from app.domain.tiles import Tile
from app.errors import InvalidInput
from app.imagery.sources.stac_items import StacItem

PAGE = 100
"""Items for each page of a STAC API."""
_SEARCH = "/item-search"
_FILTER = "/item-search#filter"
_TEXT, _JSON = "/cql2-text", "/cql2-json"


def accepts(conditions: Conditions, item: StacItem) -> bool:
    """Whether an Item meets the conditions. An Item without a geometry or a time does not meet those on them."""
    if conditions.collections and item.collection not in conditions.collections:
        return False
    if conditions.region is not None and (item.geometry is None or not conditions.region.intersects(item.geometry)):
        return False
    if conditions.interval is not None and not _is_within(conditions.interval, item):
        return False
    return conditions.expression is None or conditions.expression.accepts(_tile(item))


def may_contain(conditions: Conditions, collection: dict[str, Any]) -> bool:
    """Whether a STAC Collection may have Items that meet the conditions, by its id and extent."""
    if conditions.collections and collection.get("id") not in conditions.collections:
        return False
    if conditions.region is None:
        return True
    with suppress(InvalidInput, LookupError, TypeError, ValueError):
        boxes = [parse_bbox(box) for box in collection["extent"]["spatial"]["bbox"]]
        return any(conditions.region.geometry.intersects(box.geometry) for box in boxes)
    return True


class Search(NamedTuple):
    """The first request of an item search. is_post: `body` is sent by POST; by GET, `href` has the same conditions."""

    href: str
    is_post: bool
    body: dict[str, Any]


def item_search(document: dict[str, Any], place: Url, conditions: Conditions) -> Search | None:
    """The item search of the STAC API with this landing page, by GET if it offers that; None if it has no item search."""
    conforms = [str(each) for each in document.get("conformsTo") or ()]
    if not _conforms(conforms, _SEARCH):
        return None
    hrefs: dict[str, str] = {}
    for link in document.get("links", ()):
        is_search = isinstance(link, dict) and link.get("rel") == "search" and isinstance(link.get("href"), str)
        if is_search and "opensearch" not in str(link.get("type")):
            hrefs.setdefault(str(link.get("method", "GET")).upper(), link["href"])
    filters = _conforms(conforms, _FILTER)
    body = _body(conditions, filters=filters and _conforms(conforms, _JSON))
    if "GET" in hrefs:
        href = place.join(hrefs["GET"])
        return Search(with_query(href, conditions, is_search=True, filters=filters and _conforms(conforms, _TEXT)), False, body)
    return Search(place.join(hrefs["POST"]), True, body) if "POST" in hrefs else None


def _conforms(conforms: list[str], ending: str) -> bool:
    return any(each.endswith(ending) for each in conforms)


def _body(conditions: Conditions, *, filters: bool) -> dict[str, Any]:
    """The body of an item search by POST. filters: the server understands CQL2 JSON."""
    body: dict[str, Any] = {"limit": PAGE}
    if conditions.collections:
        body["collections"] = list(conditions.collections)
    if conditions.bbox is not None:
        body["bbox"] = list(conditions.bbox)
    if conditions.interval is not None:
        body["datetime"] = _rfc3339(conditions.interval)
    if filters and conditions.expression is not None:
        body |= {"filter": json.loads(conditions.expression.text), "filter-lang": "cql2-json"}
    return body


def with_query(href: str, conditions: Conditions, *, is_search: bool = False, filters: bool = False) -> str:
    """The URL of a page of Items with the conditions as parameters; unchanged if it has parameters already, or if no
    condition is one of the Items of a collection.

    is_search: it is an item search, else the Items of one collection. filters: the server understands CQL2 text.
    """
    if "?" in href or not (is_search or conditions.bbox or conditions.interval):
        return href
    query: dict[str, str] = {"limit": str(PAGE)}
    if is_search and conditions.collections:
        query["collections"] = ",".join(conditions.collections)
    if conditions.bbox is not None:
        query["bbox"] = ",".join(f"{each:.12g}" for each in conditions.bbox)
    if conditions.interval is not None:
        query["datetime"] = _rfc3339(conditions.interval)
    if filters and conditions.expression is not None:
        query |= {"filter": cql2.parse_json(conditions.expression.text).to_text(), "filter-lang": "cql2-text"}
    return f"{href}?{urlencode(query)}"


def _rfc3339(interval: Interval) -> str:
    ends = (".." if end is None else format_instant(end) for end in (interval.start, interval.end))
    return "/".join(ends)


def _is_within(interval: Interval, item: StacItem) -> bool:
    """Whether the time of an Item, an instant or a range, meets an interval."""
    start = item.datetime
    end = start
    with suppress(InvalidInput, AttributeError):
        end = parse_instant(item.properties["end_datetime"]) if item.properties.get("end_datetime") else start
    if start is None or end is None:
        return False
    return (interval.end is None or start <= interval.end) and (interval.start is None or end >= interval.start)


def _tile(item: StacItem) -> Tile:
    """The Item as a tile, on which expressions are evaluated."""
    gsd = item.properties.get("gsd")
    return Tile(
        id=item.id,
        source=item.id,
        file_name=item.id,
        content_hash="",
        image="",
        indexed_at=datetime.now(UTC),
        geometry=item.geometry,
        datetime=item.datetime,
        gsd=gsd if isinstance(gsd, int | float) else None,
        labels=item.labels,
        properties={**item.properties, "collection": item.collection},
    )
