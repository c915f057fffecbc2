"""The tiles of a collection, and how they get in."""

from __future__ import annotations

from typing import Annotated, Any

from anyio import CancelScope, to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from app.api.deps import CollectionId, ContainerDep, FilterDep, IngestDep, ItemId, ItemsDep, LimitQuery, TokenQuery
from app.api.documents.resources import (
    GEOJSON,
    GeoJSONResponse,
    base_url,
    feature,
    feature_collection,
    job_document,
    link,
    next_link,
    page_links,
)
from app.api.documents.schemas import FeatureCollectionPublic, FeaturePublic, HrefIngest, ItemPatch, JobPublic
from app.api.links import place_of
from app.api.openapi import schema_of
from app.api.params import decode_after, encode_after
from app.api.uploads import is_multipart, receive_form
from app.container import Container
from app.domain.ids import check_item_id
from app.domain.jobs import Job
from app.domain.search import MAX_LIMIT
from app.errors import FieldError, InvalidInput, NotFound, Unprocessable
from app.services.catalogue.items import ADDRESS_SECONDS

INGEST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "metadata": {"type": "string", "description": "JSON object keyed by file name"},
                    },
                }
            },
            "application/json": {"schema": schema_of(HrefIngest)},
        },
    }
}
PARTS = frozenset({"files", "metadata"})
THUMBNAIL = 256
PICTURE: dict[int | str, dict[str, Any]] = {200: {"content": {"image/*": {}}}}

router = APIRouter(prefix="/collections/{collection_id}/items", tags=["items"])


@router.post("", status_code=201, summary="Index files", openapi_extra=INGEST_BODY)
async def ingest(
    collection_id: CollectionId, request: Request, response: Response, container: ContainerDep, service: IngestDep
) -> JobPublic:
    """Index uploaded files, or what `href` names on the server, as a job: follow `Location`."""
    await to_thread.run_sync(container.collections.get, collection_id)
    if is_multipart(request):
        job = await _upload(collection_id, request, container)
    else:
        job = await to_thread.run_sync(service.submit_href, collection_id, await _href(request))
    response.headers["Location"] = f"/jobs/{job.id}"
    return job_document(job, base_url(request))


async def _upload(collection_id: str, request: Request, container: Container) -> Job:
    folder = await to_thread.run_sync(container.folders.new)
    try:
        form = await receive_form(request, folder, container.settings.max_upload_bytes, PARTS)
        files, metadata = form.named("files"), form.fields.get("metadata")
        for _, path in form.named("metadata"):  # curl's -F metadata=@file sends it as a file
            metadata = path.read_bytes()
        return await to_thread.run_sync(container.ingest.submit_upload, collection_id, folder, files, metadata)
    except BaseException:  # also a client that hangs up: what it sent must not stay
        with CancelScope(shield=True):
            await to_thread.run_sync(container.folders.delete, folder.name)
        raise


async def _href(request: Request) -> str:
    try:
        return HrefIngest.model_validate_json(await request.body()).href
    except ValidationError as error:
        fields = [FieldError(".".join(map(str, item["loc"])) or "body", item["msg"]) for item in error.errors()]
        raise Unprocessable("send multipart/form-data with `files`, or JSON with `href`", fields) from None


@router.get("", response_class=GeoJSONResponse, responses={200: {"model": FeatureCollectionPublic}}, summary="List tiles")
def list_items(
    collection_id: CollectionId,
    request: Request,
    items: ItemsDep,
    filter: FilterDep,
    limit: LimitQuery = 10,
    token: TokenQuery = None,
) -> Response:
    """Qualifying tiles in a stable order, a page at a time. A GIS opens this address as a layer."""
    page, matched = items.page(collection_id, filter, min(limit, MAX_LIMIT), decode_after(token))
    here = place_of(request, collection_id)
    links = [*page_links(request, GEOJSON), link(here.url, "collection")]
    if page.after is not None:
        links.append(next_link(request, encode_after(page.after)))
    return GeoJSONResponse(feature_collection([feature(tile, here) for tile in page.tiles], matched, links))


@router.get("/{item_id}", response_class=GeoJSONResponse, responses={200: {"model": FeaturePublic}}, summary="One tile")
def read(collection_id: CollectionId, item_id: ItemId, request: Request, items: ItemsDep) -> Response:
    """A tile as a GeoJSON feature."""
    tile = items.get(collection_id, _known_id(item_id))
    return GeoJSONResponse(feature(tile, place_of(request, collection_id)))


@router.patch("/{item_id}", response_class=GeoJSONResponse, responses={200: {"model": FeaturePublic}}, summary="Label a tile")
def patch(collection_id: CollectionId, item_id: ItemId, body: ItemPatch, request: Request, items: ItemsDep) -> Response:
    """Replace the tile's labels; merge properties into its own (null removes one)."""
    tile = items.patch(collection_id, _known_id(item_id), body.labels, body.properties)
    return GeoJSONResponse(feature(tile, place_of(request, collection_id)))


@router.delete("/{item_id}", status_code=204, summary="Delete a tile")
def delete(collection_id: CollectionId, item_id: ItemId, items: ItemsDep) -> None:
    """Remove a tile with its image."""
    items.delete(collection_id, _known_id(item_id))


@router.get(
    "/{item_id}/thumbnail", response_class=Response, responses={200: {"content": {"image/jpeg": {}}}}, summary="Picture"
)
def thumbnail(
    collection_id: CollectionId,
    item_id: ItemId,
    request: Request,
    items: ItemsDep,
    size: Annotated[int | None, Query(ge=16, le=1024, description="longer side in pixels, at most; 256 if not given")] = None,
) -> Response:
    """A browser-ready picture, stretched for the eye; JPEG, or PNG where it is transparent. Without `size` it may be a redirect
    to the object store, which gives such a picture out itself.
    """
    tile = items.get(collection_id, _known_id(item_id))
    address = items.picture_address(tile) if size is None else None
    if address is not None:
        return _elsewhere(address)
    data, media_type, tag = items.thumbnail(tile, size or THUMBNAIL)
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, max-age=300"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=media_type, headers=headers)


@router.get(
    "/{item_id}/image", response_class=Response, responses={200: {"content": {"image/*": {}}}}, summary="Original bytes"
)
def image(collection_id: CollectionId, item_id: ItemId, items: ItemsDep) -> Response:
    """The original: the file as it came, or the tile's window of a scene as a GeoTIFF with all its bands. It may be a redirect
    to the object store.
    """
    tile = items.get(collection_id, _known_id(item_id))
    address = items.image_address(tile)
    if address is not None:
        return _elsewhere(address)
    data, media_type, name = items.image(tile)
    safe = name.encode("ascii", "replace").decode().replace('"', "_").replace("\\", "_")
    return Response(data, media_type=media_type, headers={"Content-Disposition": f'inline; filename="{safe}"'})


def _elsewhere(address: str) -> Response:
    """The answer to a request for what the object store gives out at a signed address."""
    headers = {"Cache-Control": f"private, max-age={ADDRESS_SECONDS * 3 // 4}", "Referrer-Policy": "no-referrer"}
    return RedirectResponse(address, 307, headers)


def _known_id(item_id: str) -> str:
    """The id as UUIDs are written; one that is no UUID names nothing."""
    try:
        return check_item_id(item_id)
    except InvalidInput as error:
        raise NotFound(str(error)) from None
