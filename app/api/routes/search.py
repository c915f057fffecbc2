"""Search by examples, and its GET form for GIS tools."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError

from app.api.deps import CollectionId, ContainerDep, FilterDep, LimitQuery, SearchDep, TokenQuery
from app.api.documents.resources import GEOJSON, Document, GeoJSONResponse, link, next_link, page_links, search_document
from app.api.documents.schemas import FeatureCollectionPublic, SearchRequest
from app.api.links import place_of
from app.api.middleware.limits import MAX_JSON
from app.api.openapi import schema_of
from app.api.params import decode_bookmark, encode_bookmark, parse_rerank, parse_search
from app.api.uploads import MEGABYTE, is_multipart, parse_small_form, receive_form, small_body_length
from app.domain.ids import check_item_id
from app.domain.search import DEFAULT_LIMIT, MAX_LIMIT, SearchQuery, SearchResult
from app.errors import FieldError, InvalidInput, TooLarge, Unprocessable

SEARCH_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": schema_of(SearchRequest)},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {"type": "string", "format": "binary"},
                        "query": {"type": "string", "description": "the JSON body, as text"},
                    },
                }
            },
        },
    }
}
PARTS = frozenset({"image", "query"})
ANSWER: dict[int | str, dict[str, Any]] = {200: {"model": FeatureCollectionPublic}}

Image = TypeVar("Image", bytes, Path)

router = APIRouter(prefix="/collections/{collection_id}/search", tags=["search"])


@router.get("", response_class=GeoJSONResponse, responses=ANSWER, summary="Tiles like an indexed tile")
def search_item(
    collection_id: CollectionId,
    request: Request,
    service: SearchDep,
    filter: FilterDep,
    item: Annotated[str, Query(description="id of the tile to search with; it is not among the results")],
    limit: LimitQuery = DEFAULT_LIMIT,
    token: TokenQuery = None,
    rerank: Annotated[str | None, Query(description="true, false, or how many candidates the matcher looks at")] = None,
    min_probability: Annotated[float | None, Query(ge=0, le=1, description="results below are cut")] = None,
    diversify: Annotated[bool, Query(description="fold near-copies into the best of them")] = False,
    index_version: Annotated[str | None, Query(max_length=100, description="an older index, while it is kept")] = None,
) -> Response:
    """The tiles most similar to an indexed one. A GIS opens this address as a layer."""
    query = SearchQuery(
        positives=(check_item_id(item),),
        filter=filter,
        limit=min(limit, MAX_LIMIT),
        after=decode_bookmark(token),
        rerank=parse_rerank(rerank),
        min_probability=min_probability,
        diversify=diversify,
        index_version=index_version,
    )
    result = service.search(collection_id, query)
    links = page_links(request, GEOJSON)
    if result.after is not None:
        links.append(next_link(request, encode_bookmark(result.after)))
    return _answer(request, collection_id, result, links)


@router.post(
    "", response_class=GeoJSONResponse, responses=ANSWER, openapi_extra=SEARCH_BODY, summary="Tiles like these examples"
)
async def search(collection_id: CollectionId, request: Request, container: ContainerDep, service: SearchDep) -> Response:
    """The tiles most similar to an uploaded image, to indexed tiles, or to both, and unlike the negatives."""
    if not is_multipart(request):
        body = _parse(await _limited_body(request))
        return await to_thread.run_sync(_search, collection_id, request, service, body, None)
    if small_body_length(request) is not None:
        return await to_thread.run_sync(_search_small, collection_id, request, service, await _limited_body(request))
    folder = await to_thread.run_sync(container.folders.new)
    try:
        form = await receive_form(request, folder, container.settings.max_upload_bytes, PARTS)
        query = form.fields.get("query", b"")
        for _, path in form.named("query"):  # curl's -F query=@file sends it as a file
            query = path.read_bytes()
        image = _only([path for _, path in form.named("image")])
        return await to_thread.run_sync(_search, collection_id, request, service, _parse(query or b"{}"), image)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _search_small(collection_id: str, request: Request, service: SearchDep, content: bytes) -> Response:
    """A form that fits in memory: most do, and no file need be written, read and removed for it."""
    form = parse_small_form(request.headers.get("content-type", ""), content, PARTS)
    query = form.fields.get("query", b"")
    for _, content_ in form.files.get("query", ()):
        query = content_
    image = _only([data for _, data in form.files.get("image", ())])
    return _search(collection_id, request, service, _parse(query or b"{}"), image)


def _only(images: Sequence[Image]) -> Image | None:
    if len(images) > 1:
        raise InvalidInput("one image a search; name further examples by their ids in `positives`")
    return images[0] if images else None


def _search(
    collection_id: str, request: Request, service: SearchDep, body: SearchRequest, image: Path | bytes | None
) -> Response:
    result = service.search(collection_id, parse_search(body), image)
    links = page_links(request, GEOJSON)
    if result.after is not None:
        following = {**body.model_dump(exclude_unset=True, mode="json"), "token": encode_bookmark(result.after)}
        links.append(link(str(request.url), "next", GEOJSON, method="POST", body=following))
    return _answer(request, collection_id, result, links)


def _answer(request: Request, collection_id: str, result: SearchResult, links: list[Document]) -> Response:
    return GeoJSONResponse(search_document(result, place_of(request, collection_id), links))


async def _limited_body(request: Request) -> bytes:
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
        fields = [FieldError(".".join(map(str, item["loc"])) or "body", item["msg"]) for item in error.errors()]
        raise Unprocessable("; ".join(f"{item.loc}: {item.message}" for item in fields[:3]), fields) from None
