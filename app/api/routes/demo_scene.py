"""The sample scene, for a service that has no data yet."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.api.deps import CollectionsDep, IngestDep
from app.api.documents.resources import base_url, job_document
from app.api.documents.schemas import JobPublic

COLLECTION = "sample"
TITLE = "Sample scene"
DESCRIPTION = "Fields, woods, water, roads and roofs, drawn by code: to try a search before indexing imagery of your own."
TILE_SIZE = 128

router = APIRouter(prefix="/sample", tags=["service"])


@router.post("", status_code=201, summary="Draw and index the sample scene")
def create(request: Request, response: Response, collections: CollectionsDep, ingest: IngestDep) -> JobPublic:
    """Make the collection `sample`, if there is none, and index a generated scene into it as a job."""
    if COLLECTION not in collections.ids():
        collections.create(COLLECTION, title=TITLE, description=DESCRIPTION, tile_size=TILE_SIZE)
    job = ingest.submit_sample(COLLECTION)
    response.headers["Location"] = f"/jobs/{job.id}"
    return job_document(job, base_url(request))
