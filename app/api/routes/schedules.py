"""The schedule of a collection."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.api.deps import CollectionId, SchedulesDep
from app.api.documents.resources import base_url, job_document
from app.api.documents.schedules import SchedulePublic, SchedulePut, ScheduleRun, schedule_document
from app.api.documents.schemas import JobPublic

router = APIRouter(prefix="/collections/{collection_id}/schedule", tags=["schedules"])


@router.put("", summary="Set the schedule")
def put(collection_id: CollectionId, body: SchedulePut, request: Request, schedules: SchedulesDep) -> SchedulePublic:
    """Create or replace the collection's schedule: 422 says what is wrong with the expression, 403 what may not be read."""
    info = schedules.put(
        collection_id,
        cron=body.cron,
        timezone=body.timezone,
        sources=body.sources,
        on_vanished=body.on_vanished,
        paused=body.paused,
    )
    return schedule_document(info, base_url(request))


@router.get("", summary="The schedule")
def read(collection_id: CollectionId, request: Request, schedules: SchedulesDep) -> SchedulePublic:
    """The schedule with its next run and the result of its last one."""
    return schedule_document(schedules.get(collection_id), base_url(request))


@router.delete("", status_code=204, summary="Remove the schedule")
def delete(collection_id: CollectionId, schedules: SchedulesDep) -> None:
    """Remove the schedule and dismiss its run, if one is active; the tiles stay."""
    schedules.delete(collection_id)


@router.post("/run", status_code=201, summary="Run it now")
def run(
    collection_id: CollectionId,
    request: Request,
    response: Response,
    schedules: SchedulesDep,
    body: ScheduleRun | None = None,
) -> JobPublic:
    """Run the schedule now, as a job: follow `Location`. 409 while another run of it is active."""
    job = schedules.submit(collection_id, accept_vanished=body is not None and body.accept_vanished)
    response.headers["Location"] = f"/jobs/{job.id}"
    return job_document(job, base_url(request))
