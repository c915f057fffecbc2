"""Index versions of a collection, and the rollback to a previous one."""

from __future__ import annotations

from fastapi import Request

from app.api.access import requires
from app.api.deps import CollectionId, CollectionsDep, RollbackDep
from app.api.documents.base import base_url
from app.api.documents.catalogue.collections import CollectionPublic, collection_document
from app.api.documents.catalogue.index_versions import IndexList, Rollback, index_list
from app.api.routing import checked_router
from app.domain.keys import Role

CONFORMANCE: tuple[str, ...] = ()

router = checked_router(prefix="/collections/{collection_id}", tags=["indexes"])


@router.get("/indexes", summary="Index versions")
@requires(Role.READ)
def list_all(collection_id: CollectionId, request: Request, service: RollbackDep) -> IndexList:
    """The current and previous index versions, the newest first. A search selects one with `index_version`."""
    return index_list(service.kept(collection_id), collection_id, base_url(request))


@router.post("/rollback", summary="Use a previous index version")
@requires(Role.WRITE)
def rollback(
    collection_id: CollectionId,
    request: Request,
    service: RollbackDep,
    collections: CollectionsDep,
    body: Rollback | None = None,
) -> CollectionPublic:
    """Make a previous index version or a candidate the current one, with the labels, deletions and new tiles since then.

    409 if there is no previous version, while a job writes tiles, or if too many tiles are new (re-index then).
    """
    given = body or Rollback()
    service.rollback(collection_id, given.version, force=given.force)
    return collection_document(collections.info(collection_id), base_url(request))
