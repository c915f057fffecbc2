"""Jobs: list, read, follow, read results, dismiss."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Literal

import anyio
from anyio import to_thread
from fastapi import Query, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from sse_starlette import EventSourceResponse, ServerSentEvent

from app.api.access import requires
from app.api.deps import EvaluationDep, JobId, JobsDep, TokenQuery
from app.api.documents.base import Link, base_url, next_link, page_links
from app.api.documents.service.jobs import JobList, JobPublic, job_document
from app.api.middleware.security_headers import REPORT_POLICY
from app.api.routing import checked_router
from app.domain.jobs import JobStatus
from app.domain.keys import Role
from app.services.jobs.callbacks import results_text

POLL_SECONDS = 0.2

CONFORMANCE: tuple[str, ...] = (
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/job-list",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/dismiss",
)

router = checked_router(prefix="/jobs", tags=["jobs"])


@router.get("", summary="All jobs")
@requires(Role.READ)
def list_jobs(
    request: Request,
    jobs: JobsDep,
    collection: Annotated[str | None, Query(description="Only jobs of this collection")] = None,
    status: Annotated[list[JobStatus] | None, Query(description="Only jobs with one of these states")] = None,
    process: Annotated[list[str] | None, Query(alias="processID", description="Only jobs of one of these processes")] = None,
    type: Annotated[list[Literal["process"]] | None, Query(description="All jobs are of the type `process`")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Number of jobs per page")] = 100,
    token: TokenQuery = None,
) -> JobList:
    """Jobs, newest first."""
    page = jobs.list(collection, status or (), limit, token, process or ())
    links = [Link(**item) for item in page_links(request)]
    if len(page) == limit:
        links.append(Link(**{**next_link(request, page[-1].id), "type": "application/json"}))
    return JobList(jobs=[job_document(job, base_url(request)) for job in page], links=links)


@router.get("/{job_id}", summary="One job")
@requires(Role.READ)
def read(job_id: JobId, request: Request, jobs: JobsDep) -> JobPublic:
    """The status document of a job."""
    return job_document(jobs.get(job_id), base_url(request))


@router.delete("/{job_id}", summary="Dismiss a job")
@requires(Role.WRITE)
def dismiss(job_id: JobId, request: Request, jobs: JobsDep) -> JobPublic:
    """Cancel a job. Tiles that it has indexed remain; a job that has ended does not change."""
    return job_document(jobs.dismiss(job_id), base_url(request))


@router.get(
    "/{job_id}/results",
    response_class=Response,
    responses={200: {"content": {"application/json": {}}}},
    summary="Job results",
)
@requires(Role.READ)
def results(job_id: JobId, jobs: JobsDep) -> Response:
    """The results of a job: 404 `result-not-ready` until it has ended, 400 if it has none."""
    result, ids = jobs.results(job_id)
    return StreamingResponse(results_text(result, ids), media_type="application/json")


@router.get("/{job_id}/report", response_class=HTMLResponse, summary="Report of an evaluation")
@requires(Role.READ)
def report(job_id: JobId, evaluation: EvaluationDep) -> HTMLResponse:
    """The evaluation report as a self-contained HTML page without scripts."""
    return HTMLResponse(evaluation.report(job_id), headers={"Content-Security-Policy": REPORT_POLICY})


@router.get(
    "/{job_id}/events",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
    summary="Follow a job",
)
@requires(Role.READ)
async def events(job_id: JobId, request: Request, jobs: JobsDep) -> EventSourceResponse:
    """Server-sent events named `status`, with the status document of the job, at every change until the job ends."""
    await to_thread.run_sync(jobs.get, job_id)
    return EventSourceResponse(_follow(job_id, base_url(request), jobs))


async def _follow(job_id: str, base: str, jobs: JobsDep) -> AsyncIterator[ServerSentEvent]:
    last = ""
    while True:
        job = await to_thread.run_sync(jobs.get, job_id)
        document = job_document(job, base).model_dump_json()
        if document != last:
            last = document
            yield ServerSentEvent(document, event="status")
        if job.status.ended:
            return
        await anyio.sleep(POLL_SECONDS)
