"""Collections."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.api.deps import CollectionId, CollectionsDep, FilterDep, ItemsDep
from app.api.documents.resources import base_url, collection_document, page_links
from app.api.documents.schemas import (
    CollectionCreate,
    CollectionList,
    CollectionPatch,
    CollectionPublic,
    LabelCount,
    LabelList,
    Link,
)

router = APIRouter(prefix="/collections", tags=["collections"])


@router.post("", status_code=201, summary="Create a collection")
def create(body: CollectionCreate, request: Request, response: Response, collections: CollectionsDep) -> CollectionPublic:
    """Create an empty collection: 409 if it exists, 400 if its bands do not fit the model."""
    info = collections.create(body.id, **body.model_dump(exclude={"id"}, exclude_none=True))
    response.headers["Location"] = f"/collections/{body.id}"
    return collection_document(info, base_url(request))


@router.get("", summary="All collections")
def list_all(request: Request, collections: CollectionsDep) -> CollectionList:
    """Every collection with its extent, size and index."""
    base = base_url(request)
    documents = [collection_document(collections.info(name), base) for name in collections.ids()]
    return CollectionList(collections=documents, links=[Link(**item) for item in page_links(request)])


@router.get("/{collection_id}", summary="One collection")
def read(collection_id: CollectionId, request: Request, collections: CollectionsDep) -> CollectionPublic:
    """A collection with its extent, size and index."""
    return collection_document(collections.info(collection_id), base_url(request))


@router.patch("/{collection_id}", summary="Change a collection")
def patch(
    collection_id: CollectionId, body: CollectionPatch, request: Request, collections: CollectionsDep
) -> CollectionPublic:
    """Change what the body names. What shaped the tiles can only change while there are none (409)."""
    info = collections.patch(collection_id, **body.model_dump(exclude_unset=True))
    return collection_document(info, base_url(request))


@router.delete("/{collection_id}", status_code=204, summary="Delete a collection")
def delete(collection_id: CollectionId, collections: CollectionsDep) -> None:
    """Stop its jobs and remove it with its vectors, images and jobs."""
    collections.delete(collection_id)


@router.get("/{collection_id}/labels", summary="The labels in use")
def labels(
    collection_id: CollectionId, items: ItemsDep, filter: FilterDep, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> LabelList:
    """The labels of the qualifying tiles with their counts, the most frequent first."""
    counts = items.labels(collection_id, filter, limit)
    return LabelList(labels=[LabelCount(value=value, count=count) for value, count in counts])
