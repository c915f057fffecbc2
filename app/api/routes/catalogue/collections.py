"""Collections: create, list, read, change, delete, and the labels in use."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from app.api.access import requires
from app.api.deps import CollectionId, CollectionsDep, ContainerDep, FilterDep, ItemsDep, PropertyTypesDep
from app.api.documents.base import Document, Link, base_url, page_links
from app.api.documents.catalogue.collections import (
    CollectionCreate,
    CollectionList,
    CollectionPatch,
    CollectionPublic,
    collection_document,
)
from app.api.documents.gis.saved_searches import search_collection
from app.api.documents.gis.schemas import SchemaResponse, schema_document
from app.api.documents.learning.labels import LabelCount, LabelList
from app.api.routing import checked_router
from app.domain.collections import Collection
from app.domain.keys import Role

CONFORMANCE: tuple[str, ...] = (
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/queryables",
    "http://www.opengis.net/spec/ogcapi-features-5/1.0/conf/schemas",
    "http://www.opengis.net/spec/ogcapi-features-5/1.0/conf/core-roles-features",
)

router = checked_router(prefix="/collections", tags=["collections"])


@router.post("", status_code=201, summary="Create a collection")
@requires(Role.WRITE)
def create(body: CollectionCreate, request: Request, response: Response, collections: CollectionsDep) -> CollectionPublic:
    """Create an empty collection: 409 if it exists, 400 if the model does not accept its bands."""
    info = collections.create(body.id, **body.model_dump(exclude={"id"}, exclude_none=True))
    response.headers["Location"] = f"/collections/{body.id}"
    return collection_document(info, base_url(request))


@router.get("", summary="All collections")
@requires(Role.READ)
def list_all(request: Request, collections: CollectionsDep) -> CollectionList:
    """All collections with their extents, numbers of tiles and current index versions, except damaged ones (see `/readyz`)."""
    base = base_url(request)
    documents = [collection_document(info, base) for info in collections.infos()]
    return CollectionList(collections=documents, links=[Link(**item) for item in page_links(request)])


@router.get("/{collection_id}", response_model=None, responses={200: {"model": CollectionPublic}}, summary="One collection")
@requires(Role.READ, accepts_signature=True)
def read(
    collection_id: CollectionId, request: Request, collections: CollectionsDep, container: ContainerDep
) -> CollectionPublic | Document:
    """A collection with its extent, number of tiles and current index version, or a saved search as a collection."""
    search = container.saved_searches.find(collection_id)
    if search is None:
        return collection_document(collections.info(collection_id), base_url(request))
    return search_collection(search, base_url(request), collections.info(search.collection))


@router.patch("/{collection_id}", summary="Change a collection")
@requires(Role.WRITE)
def patch(
    collection_id: CollectionId, body: CollectionPatch, request: Request, collections: CollectionsDep
) -> CollectionPublic:
    """Change the fields that the body contains: 409 for fields that define the tiles, unless the collection is empty."""
    info = collections.patch(collection_id, **body.model_dump(exclude_unset=True))
    return collection_document(info, base_url(request))


@router.delete("/{collection_id}", status_code=204, summary="Delete a collection")
@requires(Role.ADMIN)
def delete(collection_id: CollectionId, collections: CollectionsDep) -> None:
    """Stop the jobs of a collection and delete it with its vectors, images and jobs."""
    collections.delete(collection_id)


@router.get("/{collection_id}/labels", summary="Labels in use")
@requires(Role.READ)
def labels(
    collection_id: CollectionId,
    items: ItemsDep,
    filter: FilterDep,
    limit: Annotated[int, Query(ge=1, le=1000, description="Number of labels")] = 100,
) -> LabelList:
    """The labels of the tiles that match the filters, with counts, the most frequent first."""
    counts = items.labels(collection_id, filter, limit)
    return LabelList(labels=[LabelCount(value=value, count=count) for value, count in counts])


@router.get("/{collection_id}/schema", response_class=SchemaResponse, summary="Schema of the items")
@requires(Role.READ)
def schema(collection_id: CollectionId, request: Request, collections: CollectionsDep, types: PropertyTypesDep) -> Response:
    """JSON Schema of the properties of the items, over all items of the collection."""
    return SchemaResponse(_schema("schema", request, collections.get(collection_id), types))


@router.get("/{collection_id}/queryables", response_class=SchemaResponse, summary="Properties that filters can use")
@requires(Role.READ)
def queryables(collection_id: CollectionId, request: Request, collections: CollectionsDep, types: PropertyTypesDep) -> Response:
    """JSON Schema of the properties that `filter` and `sortby` accept."""
    return SchemaResponse(_schema("queryables", request, collections.get(collection_id), types))


def _schema(name: str, request: Request, collection: Collection, types: PropertyTypesDep) -> Document:
    address = f"{base_url(request)}/collections/{collection.id}/{name}"
    return schema_document(address, collection.title or collection.id, types.types(collection.id))
