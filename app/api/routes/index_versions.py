"""The indexes of a collection, and the way back to an older one."""

from __future__ import annotations

from fastapi import APIRouter, Request

from app.api.deps import CollectionId, CollectionsDep, RollbackDep
from app.api.documents.index_versions import IndexList, Rollback, index_list
from app.api.documents.resources import base_url, collection_document
from app.api.documents.schemas import CollectionPublic

router = APIRouter(prefix="/collections/{collection_id}", tags=["indexes"])


@router.get("/indexes", summary="The indexes that can be asked")
def list_all(collection_id: CollectionId, request: Request, service: RollbackDep) -> IndexList:
    """The live index and those that are kept to go back to, the newest first; a search names one by `index_version`."""
    return index_list(service.kept(collection_id), collection_id, base_url(request))


@router.post("/rollback", summary="Go back to an older index")
def rollback(
    collection_id: CollectionId,
    request: Request,
    service: RollbackDep,
    collections: CollectionsDep,
    body: Rollback | None = None,
) -> CollectionPublic:
    """Make an older index the live one again, with the labels, deletions and new tiles since then.

    409 where there is none, while a job writes tiles, or where so much is new that re-indexing is due.
    """
    wanted = body or Rollback()
    service.rollback(collection_id, wanted.version, force=wanted.force)
    return collection_document(collections.info(collection_id), base_url(request))
