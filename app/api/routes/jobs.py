"""Jobs: list, follow, read the results, dismiss."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

import anyio
from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from sse_starlette import EventSourceResponse, ServerSentEvent

from app.api.deps import EvaluationDep, JobId, JobsDep
from app.api.documents.resources import base_url, job_document, next_link, page_links
from app.api.documents.schemas import JobList, JobPublic, Link
from app.api.middleware.security_headers import REPORT_POLICY
from app.domain.jobs import JobStatus

POLL_SECONDS = 0.2
ID_CHUNK = 1000

router = APIRouter(prefix="/jobs", tags=["jobs"])


@router.get("", summary="All jobs")
def list_jobs(
    request: Request,
    jobs: JobsDep,
    collection: str | None = None,
    status: Annotated[list[JobStatus] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    token: Annotated[str | None, Query(description="from the `next` link of the page before")] = None,
) -> JobList:
    """Jobs, newest first."""
    page = jobs.list(collection, status or (), limit, token)
    links = [Link(**item) for item in page_links(request)]
    if len(page) == limit:
        links.append(Link(**{**next_link(request, page[-1].id), "type": "application/json"}))
    return JobList(jobs=[job_document(job, base_url(request)) for job in page], links=links)


@router.get("/{job_id}", summary="One job")
def read(job_id: JobId, request: Request, jobs: JobsDep) -> JobPublic:
    """The status document of a job."""
    return job_document(jobs.get(job_id), base_url(request))


@router.delete("/{job_id}", summary="Dismiss a job")
def dismiss(job_id: JobId, request: Request, jobs: JobsDep) -> JobPublic:
    """Cancel a job; the tiles that it has indexed stay. One that has ended is left as it is."""
    return job_document(jobs.dismiss(job_id), base_url(request))


@router.get(
    "/{job_id}/results", response_class=Response, responses={200: {"content": {"application/json": {}}}}, summary="Results"
)
def results(job_id: JobId, jobs: JobsDep) -> Response:
    """What a successful job has done: 409 while it runs."""
    result, ids = jobs.results(job_id)
    return StreamingResponse(_stream(result, ids), media_type="application/json")


@router.get("/{job_id}/report", response_class=HTMLResponse, summary="Report of an evaluation")
def report(job_id: JobId, evaluation: EvaluationDep) -> HTMLResponse:
    """One page for people, without scripts, that needs nothing from anywhere."""
    return HTMLResponse(evaluation.report(job_id), headers={"Content-Security-Policy": REPORT_POLICY})


def _stream(result: dict[str, object], ids: Iterator[str]) -> Iterator[str]:
    """The result with `item_ids` at its end, in pieces: there may be millions."""
    yield json.dumps(result)[:-1] + (", " if result else "") + '"item_ids": ['
    chunk: list[str] = []
    separator = ""
    for item in ids:
        chunk.append(f'"{item}"')
        if len(chunk) == ID_CHUNK:
            yield separator + ", ".join(chunk)
            separator, chunk = ", ", []
    yield (separator if chunk else "") + ", ".join(chunk) + "]}"


@router.get("/{job_id}/events", response_class=EventSourceResponse, summary="Follow a job")
async def events(job_id: JobId, request: Request, jobs: JobsDep) -> EventSourceResponse:
    """Server-sent events: `status`, with the job's status document, at every change until it ends."""
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
