"""Documents of schedules."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from app.api.documents.base import JSON, In, Link
from app.domain.jobs import Job, JobStatus
from app.domain.scheduling.schedules import MAX_SOURCES, GivenSource, OnVanished, Skipped
from app.services.schedules.schedules import ScheduleInfo

MAX_REJECTIONS = 20


class SchedulePut(In):
    """Body of `PUT /collections/{id}/schedule`; it replaces the schedule."""

    cron: str = Field(
        examples=["0 3 * * *"],
        description="Cron expression `minute hour day-of-month month day-of-week`, or @hourly, @daily, ...",
    )
    timezone: str = Field(default="UTC", examples=["Europe/Berlin"], description="IANA time zone of the cron expression")
    sources: list[GivenSource] = Field(
        min_length=1, max_length=MAX_SOURCES, examples=[["/data/2024", "/data/**/*.tif", {"stac": "/data/catalog.json"}]]
    )
    on_vanished: OnVanished = Field(default="keep", description="What happens to tiles whose source file is missing")
    paused: bool = False


class ScheduleRun(In):
    """Body of `POST /collections/{id}/schedule/run`; optional."""

    accept_vanished: bool = Field(default=False, description="Accept any number of missing source files as deleted")
    force: bool = Field(default=False, description="Read all files again, also those whose size, time and ETag did not change")


class SchedulePublic(BaseModel):
    """A schedule with its next run and the result of its last run."""

    collection: str
    cron: str
    timezone: str
    sources: list[str | dict[str, Any]]
    on_vanished: OnVanished
    paused: bool
    created: datetime
    updated: datetime
    next_run: datetime | None
    last_run: datetime | None
    last_job: str | None
    last_status: JobStatus | None
    last_message: str | None
    last_result: dict[str, Any] | None = Field(
        description="Result of the last run, with at most 20 rejected files; its counts if the run has not succeeded"
    )
    skipped: Skipped | None = Field(description="The last due time that was skipped because the previous run was still active")
    links: list[Link]


def schedule_document(info: ScheduleInfo, base: str) -> SchedulePublic:
    """A schedule with its links; `base` is the URL of the service."""
    schedule, job = info.schedule, info.last_job
    here = f"{base}/collections/{schedule.collection}"
    links = [Link(href=f"{here}/schedule", rel="self", type=JSON), Link(href=here, rel="collection", type=JSON)]
    if job is not None:
        links.append(Link(href=f"{base}/jobs/{job.id}", rel="job", type=JSON))
    given = schedule.model_dump(exclude={"sources"})
    sources = [each if isinstance(each, str) else each.model_dump(exclude_defaults=True) for each in schedule.sources]
    return SchedulePublic(
        **given,
        sources=sources,
        next_run=info.next_run,
        last_run=info.state.last_run,
        last_job=info.state.last_job,
        last_status=None if job is None else job.status,
        last_message=None if job is None else job.message,
        last_result=None if job is None else _result(job),
        skipped=info.state.skipped,
        links=links,
    )


def _result(job: Job) -> dict[str, Any] | None:
    if job.result is None:
        return dict(job.counts) or None
    rejected = job.result.get("rejected")
    return {**job.result, "rejected": rejected[:MAX_REJECTIONS]} if isinstance(rejected, list) else job.result
