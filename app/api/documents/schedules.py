"""Schedules as clients send and see them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from app.api.documents.resources import JSON
from app.api.documents.schemas import In, Link
from app.domain.jobs import Job, JobStatus
from app.domain.schedules import MAX_SOURCES, GivenSource, OnVanished, Skipped
from app.services.schedules.schedules import ScheduleInfo

MAX_REJECTIONS = 20


class SchedulePut(In):
    """Body of `PUT /collections/{id}/schedule`; it replaces the whole schedule."""

    cron: str = Field(examples=["0 3 * * *"], description="minute hour day-of-month month day-of-week, or @daily and its like")
    timezone: str = Field(default="UTC", examples=["Europe/Berlin"])
    sources: list[GivenSource] = Field(
        min_length=1, max_length=MAX_SOURCES, examples=[["/data/2024", "/data/**/*.tif", {"stac": "/data/catalog.json"}]]
    )
    on_vanished: OnVanished = "keep"
    paused: bool = False


class ScheduleRun(In):
    """Body of `POST /collections/{id}/schedule/run`. accept_vanished: what is gone is gone, however much it is."""

    accept_vanished: bool = False


class SchedulePublic(BaseModel):
    """A schedule with its next run and what became of the last one.

    last_result: of the last run; of one that has not succeeded, the counts as far as it came. At most 20 of its rejections.
    skipped: the latest due time at which the run before was still active.
    """

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
    last_result: dict[str, Any] | None
    skipped: Skipped | None
    links: list[Link]


def schedule_document(info: ScheduleInfo, base: str) -> SchedulePublic:
    """A schedule with its links."""
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
