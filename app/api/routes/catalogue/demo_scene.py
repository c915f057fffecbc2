"""The sample scene, to try a service that has no data."""

from __future__ import annotations

from fastapi import Request, Response

from app.api.access import requires
from app.api.deps import CollectionsDep, IngestDep
from app.api.documents.base import base_url
from app.api.documents.service.jobs import JobPublic, job_document
from app.api.routing import checked_router
from app.domain.keys import Role

COLLECTION = "sample"
TITLE = "Sample scene"
DESCRIPTION = "A generated scene with fields, woods, water, roads and roofs, to try a search before you index imagery."
TILE_SIZE = 128

CONFORMANCE: tuple[str, ...] = ()

router = checked_router(prefix="/sample", tags=["service"])


@router.post("", status_code=201, summary="Index the sample scene")
@requires(Role.WRITE)
def create(request: Request, response: Response, collections: CollectionsDep, ingest: IngestDep) -> JobPublic:
    """Create the collection `sample` if it does not exist, and index a generated scene into it in a job."""
    if COLLECTION not in collections.ids():
        collections.create(COLLECTION, title=TITLE, description=DESCRIPTION, tile_size=TILE_SIZE)
    job = ingest.submit_sample(COLLECTION)
    response.headers["Location"] = f"/jobs/{job.id}"
    return job_document(job, base_url(request))
