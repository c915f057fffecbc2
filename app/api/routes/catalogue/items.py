"""Items of a collection: list, read, label, delete, and pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse

from app.api.access import requires
from app.api.answers.etags import if_match, is_not_modified
from app.api.answers.exports import export_response
from app.api.answers.layer_items import LayerRequest, search_items
from app.api.answers.pictures import picture
from app.api.deps import (
    CollectionId,
    ContainerDep,
    CrsDep,
    EmbeddingsQuery,
    FieldsDep,
    FilterDep,
    FormatDep,
    ItemId,
    ItemsDep,
    LimitQuery,
    PropertyTypesDep,
    SortDep,
    TokenQuery,
)
from app.api.documents.base import GEOJSON, GeoJSONResponse, in_system, link, next_link, page_links
from app.api.documents.catalogue.items import (
    FeatureCollectionPublic,
    FeaturePublic,
    ItemPatch,
    LabelChanges,
    feature,
    feature_collection,
    in_crs,
    is_version,
    item_tag,
)
from app.api.links import place_of
from app.api.paging import check_names, read_page, refuse_crs
from app.api.routing import checked_router
from app.domain.keys import Role
from app.domain.naming.ids import check_item_id
from app.domain.places.crs import Crs
from app.domain.queries.search import MAX_LIMIT
from app.domain.tiles import LabelEdit, Tile
from app.errors import InvalidInput, NotFound
from app.services.catalogue.items import ADDRESS_SECONDS
from app.services.export.columns import columns_of

THUMBNAIL = 256
TAG_HEADER = {"ETag": {"description": "Version of the tile, for If-Match and If-None-Match", "schema": {"type": "string"}}}
ITEM: dict[int | str, dict[str, Any]] = {
    200: {"model": FeaturePublic, "headers": TAG_HEADER},
    304: {"description": "The client has this version (`If-None-Match`)", "headers": TAG_HEADER},
}
CHANGED: dict[int | str, dict[str, Any]] = {
    412: {"description": "The tile was changed since it was read (`If-Match`): GET it again and repeat the request"}
}
PICTURE: dict[int | str, dict[str, Any]] = {200: {"content": {"image/*": {}}}}


def _header(name: str) -> dict[str, Any]:
    """A conditional request header for the OpenAPI document; the routes read it themselves, as it may be sent repeatedly."""
    text = "Entity tags of the item, separated by commas, or *"
    return {
        "parameters": [{"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}]
    }


CONFORMANCE: tuple[str, ...] = (
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/html",
    "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/filter",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/features-filter",
    *(
        f"http://www.opengis.net/spec/cql2/1.0/conf/{name}"
        for name in (
            "cql2-text",
            "cql2-json",
            "basic-cql2",
            "advanced-comparison-operators",
            "case-insensitive-comparison",
            "accent-insensitive-comparison",
            "basic-spatial-functions",
            "spatial-functions",
            "temporal-functions",
            "array-functions",
            "arithmetic",
        )
    ),
)

router = checked_router(prefix="/collections/{collection_id}/items", tags=["items"])


@router.get("", response_class=GeoJSONResponse, responses={200: {"model": FeatureCollectionPublic}}, summary="List tiles")
@requires(Role.READ, accepts_signature=True)
def list_items(
    collection_id: CollectionId,
    request: Request,
    items: ItemsDep,
    filter: FilterDep,
    sortby: SortDep,
    fields: FieldsDep,
    types: PropertyTypesDep,
    crs: CrsDep,
    format: FormatDep,
    container: ContainerDep,
    embeddings: EmbeddingsQuery = False,
    limit: LimitQuery = 10,
    token: TokenQuery = None,
    collections: Annotated[
        str | None, Query(description="The identifier of this collection, which STAC clients send; no other is accepted")
    ] = None,
) -> Response:
    """Tiles that match the filters, by id or in the order of `sortby`, in pages. A GIS can open this URL as a layer.

    With `f=geojsonseq|csv|gpkg|fgb|parquet` the answer is a file with the tiles of all pages.
    """
    if collections not in (None, collection_id):
        raise InvalidInput(f"collections {collections[:100]!r} is not this collection; search several of them at /search")
    search = container.saved_searches.find(collection_id)
    if search is not None:
        wish = LayerRequest(filter, fields, crs, format, min(limit, MAX_LIMIT), token, bool(sortby or embeddings))
        return search_items(request, container, search, wish)
    check_names(types, [collection_id], filter, sortby)
    here = place_of(request, collection_id)
    if format is not None:
        refuse_crs(crs)
        live = container.collections.live(collection_id) if embeddings else None
        tiles = items.walk(collection_id, filter) if not sortby else items.sorted_walk(collection_id, filter, sortby)
        columns = columns_of(types.types(collection_id), is_search=False)
        features = (feature(tile, here) for tile in tiles)
        return export_response(request, container, format, features, columns, name=collection_id, embeddings_of=live)
    page = read_page(items, collection_id, filter, sortby, min(limit, MAX_LIMIT), token)
    links = [*page_links(request, GEOJSON), link(here.url, "collection")]
    if page.token is not None:
        links.append(next_link(request, page.token))
    document = feature_collection([fields.apply(feature(tile, here)) for tile in page.tiles], page.matched, links)
    return in_system(GeoJSONResponse(in_crs(document, crs)), crs)


@router.get(
    "/{item_id}", response_class=GeoJSONResponse, responses=ITEM, summary="One tile", openapi_extra=_header("If-None-Match")
)
@requires(Role.READ, accepts_signature=True)
def read(
    collection_id: CollectionId,
    item_id: ItemId,
    request: Request,
    items: ItemsDep,
    crs: CrsDep,
    container: ContainerDep,
) -> Response:
    """A tile as a GeoJSON feature. The header `ETag` identifies this version of the tile."""
    search = container.saved_searches.find(collection_id)
    collection_id = collection_id if search is None else search.collection
    return in_system(_item(request, collection_id, items.get(collection_id, _known_id(item_id)), crs), crs)


@router.patch(
    "/{item_id}",
    response_class=GeoJSONResponse,
    responses={**CHANGED, 200: ITEM[200]},
    summary="Change labels and properties of a tile",
    openapi_extra=_header("If-Match"),
)
@requires(Role.WRITE)
def patch(collection_id: CollectionId, item_id: ItemId, body: ItemPatch, request: Request, items: ItemsDep) -> Response:
    """Replace the labels of a tile, or add and remove labels; merge properties into its properties (null removes a property).

    With `If-Match` the tile is changed only if it is still the version with this ETag; else the answer is 412.
    """
    changes = body.labels
    labels = LabelEdit(changes.add, changes.remove) if isinstance(changes, LabelChanges) else changes
    return _item(
        request, collection_id, items.patch(collection_id, _known_id(item_id), labels, body.properties, _condition(request))
    )


@router.delete("/{item_id}", status_code=204, summary="Delete a tile", responses=CHANGED, openapi_extra=_header("If-Match"))
@requires(Role.WRITE)
def delete(collection_id: CollectionId, item_id: ItemId, request: Request, items: ItemsDep) -> None:
    """Delete a tile and its image. `If-Match`: as in PATCH."""
    items.delete(collection_id, _known_id(item_id), _condition(request))


@router.get(
    "/{item_id}/thumbnail", response_class=Response, responses={200: {"content": {"image/jpeg": {}}}}, summary="Thumbnail"
)
@requires(Role.READ, accepts_signature=True)
def thumbnail(
    collection_id: CollectionId,
    item_id: ItemId,
    request: Request,
    items: ItemsDep,
    size: Annotated[int | None, Query(ge=16, le=1024, description="Longest side in pixels; 256 if not given")] = None,
) -> Response:
    """A contrast-stretched picture for display: JPEG, or PNG if parts are transparent. Without `size` the answer may be a
    redirect to the object store.
    """
    tile = items.get(collection_id, _known_id(item_id))
    address = items.picture_address(tile) if size is None else None
    if address is not None:
        return _redirect(address)
    data, media_type, tag = items.thumbnail(tile, size or THUMBNAIL)
    return picture(request, data, media_type, tag)


@router.get(
    "/{item_id}/image", response_class=Response, responses={200: {"content": {"image/*": {}}}}, summary="Original image"
)
@requires(Role.READ, accepts_signature=True)
def image(collection_id: CollectionId, item_id: ItemId, request: Request, items: ItemsDep) -> Response:
    """The uploaded file, unchanged, or the window of the scene as a GeoTIFF with all bands. The answer may be a redirect to the
    object store.
    """
    tile = items.get(collection_id, _known_id(item_id))
    address = items.image_address(tile)
    if address is not None:
        return _redirect(address)
    data, media_type, name = items.image(tile)
    safe = name.encode("ascii", "replace").decode().replace('"', "_").replace("\\", "_")
    headers = {"Content-Disposition": f'inline; filename="{safe}"'}
    return picture(request, data, media_type, f"{tile.content_hash[:32]}-image", headers)


def _item(request: Request, collection_id: str, tile: Tile, crs: Crs = Crs.CRS84) -> Response:
    """A tile with its entity tag; 304 for a GET of the version that the client has."""
    document = in_crs(feature(tile, place_of(request, collection_id)), crs)
    headers = {"ETag": item_tag(tile, document)}
    if request.method == "GET" and is_not_modified(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return GeoJSONResponse(document, headers=headers)


def _condition(request: Request) -> Callable[[Tile], bool] | None:
    """The condition `If-Match` on the stored tile; None without the header. Weak tags never match."""
    tags = if_match(request)
    if tags is None:
        return None
    return lambda tile: tags.is_any or any(is_version(tag, tile) for tag in tags.strong)


def _redirect(address: str) -> Response:
    """A redirect to a signed URL of the object store."""
    headers = {"Cache-Control": f"private, max-age={ADDRESS_SECONDS * 3 // 4}", "Referrer-Policy": "no-referrer"}
    return RedirectResponse(address, 307, headers)


def _known_id(item_id: str) -> str:
    """The identifier in canonical UUID form; NotFound if it is not a UUID."""
    try:
        return check_item_id(item_id)
    except InvalidInput as error:
        raise NotFound(str(error)) from None
