"""Search by example, with a GET form for GIS clients."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from anyio import to_thread
from fastapi import Query, Request, Response
from pydantic import ValidationError

from app.api.access import requires
from app.api.answers.exports import export_response
from app.api.deps import (
    CollectionId,
    ContainerDep,
    CrsDep,
    FilterDep,
    FormatDep,
    LimitQuery,
    PropertyTypesDep,
    SearchDep,
    TokenQuery,
)
from app.api.documents.base import GEOJSON, Document, GeoJSONResponse, in_system, link, next_link, page_links
from app.api.documents.catalogue.items import FeatureCollectionPublic, in_crs
from app.api.documents.search import SearchRequest, search_document
from app.api.links import place_of
from app.api.middleware.limits import MAX_JSON
from app.api.openapi import SchemaReference
from app.api.page_tokens import decode_bookmark, encode_bookmark
from app.api.paging import check_names, refuse_crs
from app.api.params import parse_place, parse_rerank, parse_search
from app.api.problems import field_errors
from app.api.routing import check_json_size, checked_router, parse_json
from app.api.uploads import MEGABYTE, MEMORY, Form, is_multipart, receive_form, temporary_folder
from app.container import Container
from app.domain.keys import Role
from app.domain.naming.ids import check_item_id
from app.domain.places.crs import Crs
from app.domain.queries.search import DEFAULT_LIMIT, MAX_LIMIT, SearchQuery, SearchResult
from app.errors import InvalidInput, TooLarge, Unprocessable
from app.services.export.columns import columns_of
from app.services.export.formats import Format
from app.services.search.search import SearchService

SEARCH_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": SchemaReference(SearchRequest)},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {"type": "string", "format": "binary", "description": "The query image"},
                        "query": {"type": "string", "description": "The JSON body as text"},
                    },
                }
            },
        },
    }
}
EXPORT_PAGE = 10_000
"""Results that an export reads at once."""
PARTS = frozenset({"image", "query"})
ANSWER: dict[int | str, dict[str, Any]] = {200: {"model": FeatureCollectionPublic}}

CONFORMANCE: tuple[str, ...] = ()

router = checked_router(prefix="/collections/{collection_id}/search", tags=["search"])


@router.get("", response_class=GeoJSONResponse, responses=ANSWER, summary="Search with an indexed tile")
@requires(Role.READ)
def search_item(
    collection_id: CollectionId,
    request: Request,
    service: SearchDep,
    types: PropertyTypesDep,
    filter: FilterDep,
    crs: CrsDep,
    format: FormatDep,
    container: ContainerDep,
    item: Annotated[str | None, Query(description="Identifier of the query tile; the results do not contain it")] = None,
    point: Annotated[
        str | None, Query(description="longitude,latitude: the query is the window of the newest scene there, else the tile")
    ] = None,
    limit: LimitQuery = DEFAULT_LIMIT,
    token: TokenQuery = None,
    rerank: Annotated[
        str | None, Query(description="true, false, or the number of candidates to re-rank with the pairwise model")
    ] = None,
    min_probability: Annotated[float | None, Query(ge=0, le=1, description="Least match probability of a result")] = None,
    diversify: Annotated[bool, Query(description="One result per place: near-duplicates are merged into the best one")] = False,
    index_version: Annotated[
        str | None, Query(max_length=100, description="A previous index version, from /collections/{id}/indexes")
    ] = None,
    explain: Annotated[bool, Query(description="Add to each result the places where it matches the query")] = False,
) -> Response:
    """The tiles most similar to an indexed tile. A GIS can open this URL as a layer."""
    if (item is None) == (point is None):
        raise InvalidInput("send item=ID or point=longitude,latitude, and not both")
    query = SearchQuery(
        positives=() if item is None else (check_item_id(item),),
        places=() if point is None else (parse_place(point, "point"),),
        filter=filter,
        limit=min(limit, MAX_LIMIT),
        after=decode_bookmark(token),
        rerank=parse_rerank(rerank),
        min_probability=min_probability,
        diversify=diversify,
        index_version=index_version,
        explain=explain,
    )
    check_names(types, [collection_id], filter)
    if format is not None:
        refuse_crs(crs)
        return _export(request, container, collection_id, format, query, None)
    result = service.search(collection_id, query)
    links = page_links(request, GEOJSON)
    if result.after is not None:
        links.append(next_link(request, encode_bookmark(result.after)))
    return _answer(request, collection_id, result, links, crs)


@router.post("", response_class=GeoJSONResponse, responses=ANSWER, openapi_extra=SEARCH_BODY, summary="Search with examples")
@requires(Role.READ, streams_body=True)
async def search(
    collection_id: CollectionId, request: Request, container: ContainerDep, service: SearchDep, format: FormatDep
) -> Response:
    """The tiles most similar to an uploaded image, to indexed tiles, or to both; `negatives` push similar tiles down.

    With `f=geojsonseq|csv|gpkg|fgb|parquet` the answer is a file with all results.
    """
    if not is_multipart(request):
        body = await parse_json(await limited_body(request), _parse)
        return await to_thread.run_sync(_search, collection_id, request, service, body, None, format)
    with temporary_folder(container.folders.new) as folder:
        form = await receive_form(request, folder, container.settings.max_upload_bytes, PARTS, MEMORY)
        return await to_thread.run_sync(_search_form, collection_id, request, service, form, format)


def _search_form(collection_id: str, request: Request, service: SearchService, form: Form, format: Format | None) -> Response:
    images = form.named("image")
    if len(images) > 1:
        raise InvalidInput(f"the form has {len(images)} images; send one, and name further examples in `positives`")
    text = form.text("query") or b"{}"
    check_json_size(text)
    body = _parse(text)
    return _search(collection_id, request, service, body, images[0].content if images else None, format)


def _search(
    collection_id: str,
    request: Request,
    service: SearchService,
    body: SearchRequest,
    image: Path | bytes | None,
    format: Format | None,
) -> Response:
    query = parse_search(body)
    container: Container = request.app.state.container
    check_names(container.property_types, [collection_id], query.filter)
    if format is not None:
        if isinstance(image, Path):  # the form is deleted before the answer is sent
            image = image.read_bytes()
        return _export(request, container, collection_id, format, query, image)
    result = service.search(collection_id, query, image)
    links = page_links(request, GEOJSON)
    if result.after is not None:
        next_body = {**body.model_dump(exclude_unset=True, mode="json"), "token": encode_bookmark(result.after)}
        links.append(link(str(request.url), "next", GEOJSON, method="POST", body=next_body))
    return _answer(request, collection_id, result, links)


def _export(
    request: Request,
    container: Container,
    collection_id: str,
    format: Format,
    query: SearchQuery,
    image: Path | bytes | None,
) -> Response:
    """A file with the results of all pages."""
    here = place_of(request, collection_id)
    pages = container.search.all_pages(collection_id, replace(query, limit=EXPORT_PAGE), image)
    features = (found for page in pages for found in search_document(page, here, [])["features"])
    columns = columns_of(container.property_types.types(collection_id), is_search=True)
    return export_response(request, container, format, features, columns, name=f"{collection_id}-search")


def _answer(
    request: Request, collection_id: str, result: SearchResult, links: list[Document], crs: Crs = Crs.CRS84
) -> Response:
    document = search_document(result, place_of(request, collection_id), links)
    return in_system(GeoJSONResponse(in_crs(document, crs)), crs)


async def limited_body(request: Request) -> bytes:
    """The JSON body of a request.

    Raises:
        TooLarge: it is larger than `MAX_JSON`.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_JSON:
            raise TooLarge(f"the JSON body is larger than {MAX_JSON // MEGABYTE} MB")
    return bytes(body)


def _parse(body: bytes) -> SearchRequest:
    try:
        return SearchRequest.model_validate_json(body)
    except ValidationError as error:
        fields = field_errors(error)
        raise Unprocessable("; ".join(f"{item.loc}: {item.message}" for item in fields[:3]), fields) from None
