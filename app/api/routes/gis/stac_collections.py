"""Collections as STAC has them, for the catalogue at `/`: the same documents as at `/collections`, with `bands` as objects."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from app.api.access import requires
from app.api.deps import CollectionId, CollectionsDep, ContainerDep
from app.api.documents.base import Document, base_url, page_links
from app.api.documents.catalogue.collections import CollectionList, CollectionPublic, collection_document
from app.api.documents.gis.saved_searches import search_collection
from app.api.documents.gis.stac import bands_of
from app.api.routing import checked_router
from app.domain.keys import Role
from app.services.catalogue.collections import CollectionInfo

CONFORMANCE: tuple[str, ...] = ()

router = checked_router(prefix="/stac/collections", tags=["stac"])


@router.get("", responses={200: {"model": CollectionList}}, summary="All collections in STAC")
@requires(Role.READ)
def list_all(request: Request, collections: CollectionsDep) -> Response:
    """As `/collections`; `bands` are objects with a `name`, as STAC 1.1 defines them."""
    base = base_url(request)
    documents = [_document(info, base) for info in collections.infos()]
    return JSONResponse({"collections": documents, "links": page_links(request)})


@router.get("/{collection_id}", responses={200: {"model": CollectionPublic}}, summary="One collection in STAC")
@requires(Role.READ)
def read(collection_id: CollectionId, request: Request, collections: CollectionsDep, container: ContainerDep) -> Response:
    """As `/collections/{id}`, also of a saved search; `bands` are objects with a `name`, as STAC 1.1 defines them."""
    base = base_url(request)
    search = container.saved_searches.find(collection_id)
    if search is None:
        return JSONResponse(_document(collections.info(collection_id), base))
    return JSONResponse(_placed(search_collection(search, base, collections.info(search.collection)), base))


def _document(info: CollectionInfo, base: str) -> Document:
    found = collection_document(info, base).model_dump(mode="json")
    if found.get("bands"):
        found["bands"] = bands_of(found["bands"])
    return _placed(found, base)


def _placed(document: Document, base: str) -> Document:
    """The document with the link `self` to the place of it here."""
    for link in document["links"]:
        if link["rel"] == "self":
            link["href"] = f"{base}/stac/collections/{document['id']}"
    return document
