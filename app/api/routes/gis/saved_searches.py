"""Saved searches: save, list, read, delete; and links to layers for programs without headers."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from anyio import to_thread
from fastapi import Request, Response
from pydantic import ValidationError

from app.api.access import requires
from app.api.answers.layers import saved_query
from app.api.deps import CollectionId, ContainerDep
from app.api.documents.base import Link, base_url, page_links
from app.api.documents.gis.saved_searches import (
    LinkCreate,
    LinkList,
    LinkPublic,
    SavedSearchList,
    SavedSearchPublic,
    SavedSearchRequest,
    layer_links,
    search_links,
)
from app.api.openapi import SchemaReference
from app.api.params import parse_search
from app.api.problems import field_errors
from app.api.routes.search import PARTS, limited_body
from app.api.routing import checked_router, parse_json
from app.api.uploads import MEMORY, is_multipart, receive_form, temporary_folder
from app.container import Container
from app.domain.keys import Role
from app.domain.queries.saved_searches import SavedSearch
from app.errors import InvalidInput, NotFound, Unprocessable
from app.services.search.shared_links import SharedLink

COMPARED = 10
"""First results that are compared with those of the current index."""
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": SchemaReference(SavedSearchRequest)},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "image": {"type": "string", "format": "binary", "description": "The query image, which is kept"},
                        "query": {"type": "string", "description": "The JSON body as text"},
                    },
                }
            },
        },
    }
}
CONFORMANCE: tuple[str, ...] = ()

router = checked_router(tags=["saved searches"])


@router.post("/collections/{collection_id}/searches", status_code=201, summary="Save a search", openapi_extra=BODY)
@requires(Role.WRITE, streams_body=True)
async def save(collection_id: CollectionId, request: Request, response: Response, container: ContainerDep) -> SavedSearchPublic:
    """Save a search with its examples and filters. It is a layer: see the links of the answer."""
    if is_multipart(request):
        with temporary_folder(container.folders.new) as folder:
            form = await receive_form(request, folder, container.settings.max_upload_bytes, PARTS, MEMORY)
            images = form.named("image")
            if len(images) > 1:
                raise InvalidInput(f"the form has {len(images)} images; send one")
            body = _parse(form.text("query") or b"{}")
            search = await to_thread.run_sync(_save, container, collection_id, body, images[0].content if images else None)
    else:
        body = await parse_json(await limited_body(request), _parse)
        search = await to_thread.run_sync(_save, container, collection_id, body, None)
    response.headers["Location"] = f"/searches/{search.id}"
    return await to_thread.run_sync(_document, container, search, base_url(request))


@router.get("/collections/{collection_id}/searches", summary="Saved searches of a collection")
@requires(Role.READ)
def list_searches(collection_id: CollectionId, request: Request, container: ContainerDep) -> SavedSearchList:
    """The saved searches of a collection, the newest first."""
    base = base_url(request)
    found = [_document(container, each, base, compare=False) for each in container.saved_searches.list(collection_id)]
    return SavedSearchList(searches=found, links=[Link(**each) for each in page_links(request)])


@router.get("/searches/{search_id}", summary="One saved search")
@requires(Role.READ)
def read(search_id: str, request: Request, container: ContainerDep) -> SavedSearchPublic:
    """A saved search, the index version that it is pinned to, and how its ranking differs on the current one."""
    return _document(container, container.saved_searches.get(search_id), base_url(request))


@router.get("/searches/{search_id}/image", response_class=Response, summary="The query image of a saved search")
@requires(Role.READ)
def image(search_id: str, container: ContainerDep) -> Response:
    """The image that was sent with the search, byte for byte; 404 if it has none."""
    content = container.saved_searches.image(container.saved_searches.get(search_id))
    if content is None:
        raise NotFound(f"the saved search {search_id!r} has no image; its examples are in `query`")
    headers = {"Content-Disposition": 'attachment; filename="query-image"'}
    return Response(content, media_type="application/octet-stream", headers=headers)


@router.delete("/searches/{search_id}", status_code=204, summary="Delete a saved search")
@requires(Role.WRITE)
def delete(search_id: str, container: ContainerDep) -> None:
    """Delete a saved search with its image and links; the tiles stay."""
    search = container.saved_searches.get(search_id)
    for each in container.shared_links.of_layer(search.id, search.collection):
        container.shared_links.revoke(search.id, search.collection, each.id)
    container.saved_searches.delete(search_id)


@router.post("/collections/{collection_id}/links", status_code=201, summary="Create a link to a layer")
@requires(Role.WRITE)
def create_link(collection_id: CollectionId, body: LinkCreate, request: Request, container: ContainerDep) -> LinkPublic:
    """Addresses of the layer, its items and pictures that need no key; they expire and can be revoked."""
    made, secret = container.shared_links.create(collection_id, _owner(container, collection_id), body.expires_in)
    here = f"{base_url(request)}/collections/{collection_id}"
    return _link_document(made, layer_links(here, f"?{urlencode({'link': secret})}"))


@router.get("/collections/{collection_id}/links", summary="Links to a layer")
@requires(Role.WRITE)
def list_links(collection_id: CollectionId, request: Request, container: ContainerDep) -> LinkList:
    """The links to a layer that have not expired, without their secrets."""
    found = container.shared_links.of_layer(collection_id, _owner(container, collection_id))
    return LinkList(shared=[_link_document(each) for each in found], links=[Link(**each) for each in page_links(request)])


@router.delete("/collections/{collection_id}/links/{link_id}", status_code=204, summary="Revoke a link")
@requires(Role.WRITE)
def revoke_link(collection_id: CollectionId, link_id: str, container: ContainerDep) -> None:
    """Make the addresses of a link invalid, within 5 seconds everywhere."""
    container.shared_links.revoke(collection_id, _owner(container, collection_id), link_id)


def _owner(container: Container, layer: str) -> str:
    """The collection of a layer."""
    search = container.saved_searches.find(layer)
    if search is not None:
        return search.collection
    container.collections.live(layer)
    return layer


def _parse(body: bytes) -> SavedSearchRequest:
    try:
        return SavedSearchRequest.model_validate_json(body)
    except ValidationError as error:
        fields = field_errors(error)
        raise Unprocessable("; ".join(f"{item.loc}: {item.message}" for item in fields[:3]), fields) from None


def _save(container: Container, collection_id: str, body: SavedSearchRequest, image: Any) -> SavedSearch:
    """Run the search once, so that a search that cannot run is not saved, then save it."""
    if body.token is not None or body.index_version is not None:
        raise InvalidInput("a saved search has no token and no index_version: it is pinned to the current index")
    container.search.search(collection_id, parse_search(body), image)
    query = body.model_dump(mode="json", exclude_unset=True, exclude={"title", "limit"})
    return container.saved_searches.save(collection_id, body.title, query, image)


def _document(container: Container, search: SavedSearch, base: str, *, compare: bool = True) -> SavedSearchPublic:
    version = container.saved_searches.version(search)
    current = container.collections.live(search.collection).version
    is_other = version is not None and version != current
    return SavedSearchPublic(
        **search.model_dump(exclude={"query"}),
        query=search.query,
        pinned=version is not None,
        current_index_version=current,
        common_with_current=_common(container, search) if compare and is_other else None,
        links=search_links(search, base),
    )


def _common(container: Container, search: SavedSearch) -> int:
    """How many of the first results of a search are also among the first ones of the current index."""
    from dataclasses import replace

    query, image = replace(saved_query(container, search), limit=COMPARED), container.saved_searches.image(search)
    pinned = container.search.search(search.collection, query, image)
    current = container.search.search(search.collection, replace(query, index_version=None), image)
    return len({each.tile.id for each in pinned.hits} & {each.tile.id for each in current.hits})


def _link_document(made: SharedLink, links: list[Link] | None = None) -> LinkPublic:
    return LinkPublic(id=made.id, layer=made.layer, expires=made.expires, created=made.created, links=links or [])
