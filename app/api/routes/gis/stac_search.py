"""STAC item search over all collections, and the queryables that all of them share."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import Query, Request, Response

from app.api.access import requires
from app.api.deps import FieldsDep, ItemSearchDep, ItemSearchFilterDep, LimitQuery, PropertyTypesDep, SortDep, TokenQuery
from app.api.documents.base import GEOJSON, Document, GeoJSONResponse, base_url, link, next_link, page_links
from app.api.documents.catalogue.items import FeatureCollectionPublic, feature, feature_collection
from app.api.documents.gis.fields import Fields, fields_of
from app.api.documents.gis.schemas import SchemaResponse, schema_document
from app.api.documents.gis.stac import CONFORMANCE
from app.api.documents.gis.stac_search import ItemSearchRequest
from app.api.links import place_of
from app.api.page_tokens import decode_place, decode_position, encode_place, encode_position
from app.api.paging import check_names
from app.api.params import filter_of
from app.api.routing import checked_router
from app.domain.keys import Role
from app.domain.places.crs import Crs, parse_crs
from app.domain.queries.cql2.expression import parse_expression
from app.domain.queries.cql2.query_extension import query_conditions
from app.domain.queries.search import MAX_LIMIT, TileFilter
from app.domain.queries.sorting import Sorted, SortKey, parse_sorting
from app.errors import InvalidInput
from app.services.catalogue.item_search import COLLECTION, FoundPage, ItemSearch
from app.services.catalogue.property_types import PropertyTypes

__all__ = ["CONFORMANCE", "router"]

ANSWER: dict[int | str, dict[str, Any]] = {200: {"model": FeatureCollectionPublic}}

router = checked_router(tags=["stac"])


@dataclass(frozen=True, slots=True)
class Asked:
    """A search of items. collections: names of collections, all if empty."""

    collections: tuple[str, ...]
    filter: TileFilter
    sortby: tuple[SortKey, ...]
    fields: Fields
    limit: int
    token: str | None


@router.get("/search", response_class=GeoJSONResponse, responses=ANSWER, summary="Search items of all collections")
@requires(Role.READ)
def search_items(
    request: Request,
    search: ItemSearchDep,
    types: PropertyTypesDep,
    filter: ItemSearchFilterDep,
    sortby: SortDep,
    fields: FieldsDep,
    collections: Annotated[str | None, Query(description="Comma-separated collections, by default all")] = None,
    query: Annotated[str | None, Query(description="As JSON text: operators by property (STAC query extension)")] = None,
    limit: LimitQuery = 10,
    token: TokenQuery = None,
) -> Response:
    """Items of all collections that match the filters (STAC API, item search)."""
    named = tuple(name.strip() for name in (collections or "").split(",") if name.strip())
    if query is not None:
        try:
            filter = _with_query(filter, json.loads(query))
        except (ValueError, RecursionError):
            raise InvalidInput("query is not valid JSON: send the object as JSON text") from None
    page = _found(search, types, Asked(named, filter, sortby, fields, min(limit, MAX_LIMIT), token))
    links = page_links(request, GEOJSON)
    if page.after is not None:
        links.append(next_link(request, _encoded(page)))
    return _answer(request, page, fields, links)


@router.post("/search", response_class=GeoJSONResponse, responses=ANSWER, summary="Search items with a JSON body")
@requires(Role.READ)
def search_items_with_body(
    body: ItemSearchRequest, request: Request, search: ItemSearchDep, types: PropertyTypesDep
) -> Response:
    """As GET, for filters that are too large for a URL."""
    if parse_crs(body.filter_crs, "filter-crs") is not Crs.CRS84:
        raise InvalidInput(f"filter-crs {body.filter_crs!r} is not supported; accepted: {Crs.CRS84}")
    filter = filter_of(body, is_stac=True)
    if body.query is not None:
        filter = _with_query(filter, body.query)
    sortby = parse_sorting(None if body.sortby is None else [each.model_dump() for each in body.sortby])
    fields = fields_of(body.fields)
    listed = body.collections.split(",") if isinstance(body.collections, str) else body.collections
    named = tuple(name.strip() for name in listed or () if name.strip())
    page = _found(search, types, Asked(named, filter, sortby, fields, min(body.limit, MAX_LIMIT), body.token))
    links = page_links(request, GEOJSON)
    if page.after is not None:
        following = {**body.model_dump(exclude_unset=True, mode="json"), "token": _encoded(page)}
        links.append(link(str(request.url), "next", GEOJSON, method="POST", body=following))
    return _answer(request, page, fields, links)


@router.get("/queryables", response_class=SchemaResponse, summary="Properties that all items have")
@requires(Role.READ)
def queryables(request: Request) -> Response:
    """JSON Schema of the properties that items of any collection have; those of collections list all."""
    document = schema_document(f"{base_url(request)}/queryables", "All collections", {})
    return SchemaResponse(document)


def _found(search: ItemSearch, types: PropertyTypes, asked: Asked) -> FoundPage:
    collections = search.ids(asked.collections)
    expression = asked.filter.expression
    known = asked.filter if expression is None else replace(asked.filter, expression=expression.given(COLLECTION, ""))
    check_names(types, collections, known, asked.sortby)
    if asked.sortby:
        return search.sorted_page(collections, asked.filter, asked.sortby, asked.limit, decode_place(asked.token))
    return search.page(collections, asked.filter, asked.limit, decode_position(asked.token))


def _with_query(filter: TileFilter, query: object) -> TileFilter:
    """The filter with the conditions of a `query` object."""
    conditions = query_conditions(query)
    if filter.expression is not None:
        conditions.append(filter.expression.json)
    return replace(filter, expression=parse_expression({"op": "and", "args": conditions})) if conditions else filter


def _encoded(page: FoundPage) -> str:
    if isinstance(page.after, Sorted):
        return encode_place(page.after)
    if page.after is None:
        raise ValueError("the last page has no token")
    return encode_position(page.after)


def _answer(request: Request, page: FoundPage, fields: Fields, links: list[Document]) -> Response:
    features = [fields.apply(feature(tile, place_of(request, collection))) for collection, tile in page.found]
    return GeoJSONResponse(feature_collection(features, page.matched, links))
