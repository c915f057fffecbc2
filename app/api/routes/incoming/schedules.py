"""The schedule of a collection: set, read, remove, run."""

from __future__ import annotations

from fastapi import Request, Response

from app.api.access import requires
from app.api.deps import CollectionId, SchedulesDep
from app.api.documents.base import base_url
from app.api.documents.incoming.schedules import SchedulePublic, SchedulePut, ScheduleRun, schedule_document
from app.api.documents.service.jobs import JobPublic, job_document
from app.api.routing import checked_router
from app.domain.keys import Role

CONFORMANCE: tuple[str, ...] = ()

router = checked_router(prefix="/collections/{collection_id}/schedule", tags=["schedules"])


@router.put("", summary="Set the schedule")
@requires(Role.WRITE)
def put(collection_id: CollectionId, body: SchedulePut, request: Request, schedules: SchedulesDep) -> SchedulePublic:
    """Create or replace the schedule: 422 if the cron expression is not valid, 403 if a source is outside DYAD_READ_ROOTS."""
    info = schedules.put(
        collection_id,
        cron=body.cron,
        timezone=body.timezone,
        sources=body.sources,
        on_vanished=body.on_vanished,
        paused=body.paused,
    )
    return schedule_document(info, base_url(request))


@router.get("", summary="Read the schedule")
@requires(Role.READ)
def read(collection_id: CollectionId, request: Request, schedules: SchedulesDep) -> SchedulePublic:
    """The schedule with its next run and the result of its last run."""
    return schedule_document(schedules.get(collection_id), base_url(request))


@router.delete("", status_code=204, summary="Remove the schedule")
@requires(Role.WRITE)
def delete(collection_id: CollectionId, schedules: SchedulesDep) -> None:
    """Delete the schedule and dismiss its active run; tiles are not deleted."""
    schedules.delete(collection_id)


@router.post("/run", status_code=201, summary="Run the schedule now")
@requires(Role.WRITE)
def run(
    collection_id: CollectionId,
    request: Request,
    response: Response,
    schedules: SchedulesDep,
    body: ScheduleRun | None = None,
) -> JobPublic:
    """Run the schedule now in a job; `Location` is the URL of the job. 409 while another run is active."""
    wishes = ScheduleRun() if body is None else body
    job = schedules.submit(collection_id, accept_vanished=wishes.accept_vanished, force=wishes.force)
    response.headers["Location"] = f"/jobs/{job.id}"
    return job_document(job, base_url(request))
