"""Documents of jobs."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from app.api.documents.base import JSON, Link
from app.domain.jobs import Job, JobStatus
from app.services.training.evaluation import KIND as EVALUATE


class JobPublic(BaseModel):
    """Status of a job, as in OGC API Processes; Dyad adds `id`, `collection`, `counts`, `attempts` and `callbacks`."""

    id: str
    jobID: str  # noqa: N815 - OGC's spelling
    processID: str  # noqa: N815 - OGC's spelling
    type: str = "process"
    status: JobStatus
    progress: float = Field(description="0 to 100")
    message: str
    collection: str | None
    counts: dict[str, int]
    attempts: int
    callbacks: dict[str, str] = Field(
        description="By the names of the `subscriber`: `waiting` (or not needed), `called`, or why it was not called"
    )
    created: datetime
    started: datetime | None
    finished: datetime | None
    updated: datetime
    links: list[Link]


class JobList(BaseModel):
    """A page of jobs, newest first."""

    jobs: list[JobPublic]
    links: list[Link]


def job_document(job: Job, base: str) -> JobPublic:
    """The status document of a job; `base` is the URL of the service."""
    here = f"{base}/jobs/{job.id}"
    links = [Link(href=here, rel="self", type=JSON), Link(href=f"{here}/events", rel="monitor", type="text/event-stream")]
    if job.status is JobStatus.SUCCESSFUL or job.result is not None:
        links.append(Link(href=f"{here}/results", rel="http://www.opengis.net/def/rel/ogc/1.0/results", type=JSON))
        if job.kind == EVALUATE:
            links.append(Link(href=f"{here}/report", rel="report", type="text/html"))
    if job.collection:
        links.append(Link(href=f"{base}/collections/{job.collection}", rel="collection", type=JSON))
    fields = job.model_dump(exclude={"kind", "inputs", "result", "error", "subscriber"})
    return JobPublic(**fields, jobID=job.id, processID=job.kind, links=links)
