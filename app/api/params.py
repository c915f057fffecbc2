"""Parsing of request parameters: filters and searches."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from app.api.documents.gis.stac_search import ItemSearchRequest
from app.api.documents.search import MAX_IDS, MAX_LISTED, Diversify, RerankBudget, RerankDepth, SceneRequest, SearchRequest
from app.api.page_tokens import decode_bookmark
from app.domain.naming.ids import check_item_id, is_item_id
from app.domain.places.crs import Crs, box_to_crs84
from app.domain.places.geometry import Bounds, GeoJSON, Region, parse_bbox, parse_geometry, parse_region
from app.domain.queries.cql2.expression import Expression, parse_expression
from app.domain.queries.search import MAX_LIMIT, RerankWish, SceneExample, SearchQuery, TileFilter
from app.domain.temporal import check_rfc3339, parse_interval
from app.errors import InvalidInput
from models.bundle.card import MAX_DEPTH


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
    is_stac: bool = False,
) -> TileFilter:
    """The filter for the parameters of a query string or a JSON body.

    expression, language: `filter` and `filter-lang`. is_stac: of a STAC item search: an id that is not a UUID is one
    of no item (else an error), and `datetime` is exactly RFC 3339.

    Raises:
        InvalidInput: bbox and intersects together, or a value that is not valid.
    """
    if datetime is not None and is_stac:
        check_rfc3339(datetime)
    if bbox is not None and intersects is not None:
        raise InvalidInput("bbox and intersects exclude each other; send one of them")
    return TileFilter(
        region=_region(bbox, bbox_crs, intersects),
        interval=None if datetime is None else parse_interval(datetime),
        labels=tuple(dict.fromkeys(_listed(labels, "labels", MAX_LISTED))),
        ids=_ids(ids, is_stac),
        expression=_expression(expression, language),
    )


def _ids(ids: str | Sequence[str] | None, is_stac: bool) -> tuple[str, ...] | None:
    if ids is None:
        return None
    listed = _listed(ids, "ids", MAX_IDS)
    return tuple(dict.fromkeys(check_item_id(item) for item in listed if not is_stac or is_item_id(item)))


def filter_of(body: SearchRequest | ItemSearchRequest, *, is_stac: bool = False) -> TileFilter:
    """The filter of a JSON body. Raises as `parse_filter`."""
    return parse_filter(
        bbox=body.bbox,
        intersects=body.intersects,
        datetime=body.datetime,
        labels=body.labels,
        ids=body.ids,
        expression=body.filter,
        language=body.filter_lang,
        is_stac=is_stac,
    )


def parse_search(body: SearchRequest) -> SearchQuery:
    """The search for a request body.

    Raises:
        InvalidInput: a filter, an identifier or the token is not valid.
    """
    return SearchQuery(
        positives=tuple(map(check_item_id, body.positives)),
        negatives=tuple(map(check_item_id, body.negatives)),
        filter=filter_of(body),
        limit=min(body.limit, MAX_LIMIT),
        after=decode_bookmark(body.token),
        rerank=_wish(body.rerank),
        min_probability=body.min_probability,
        diversify=body.diversify is not False,
        other_dates=body.diversify.other_dates if isinstance(body.diversify, Diversify) else True,
        index_version=body.index_version,
        explain=body.explain,
        vector=None if body.vector is None else tuple(body.vector),
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
        scenes=tuple(_scene(each, "scenes") for each in body.scenes or ()),
        not_scenes=tuple(_scene(each, "negative_scenes") for each in body.negative_scenes or ()),
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


def _scene(value: SceneRequest, name: str) -> SceneExample:
    if (value.point is None) == (value.region is None):
        raise InvalidInput(f"{name}: {value.href}: give point or region, which says where the window is, and not both")
    return SceneExample(value.href, parse_place(value.point or value.region or {}, name))


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
