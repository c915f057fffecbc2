"""Processes of OGC API Processes: list, describe, and execute as a job."""

from __future__ import annotations

from fastapi import Request, Response

from app.api.access import requires
from app.api.deps import ProcessesDep, ProcessId
from app.api.documents.base import Link, base_url, page_links
from app.api.documents.service.jobs import JobPublic, job_document
from app.api.documents.service.processes import Execution, ProcessList, ProcessPublic, process_document, process_summary
from app.api.routing import checked_router
from app.domain.keys import Role

CONFORMANCE: tuple[str, ...] = (
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/json",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/ogc-process-description",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/callback",
)

router = checked_router(prefix="/processes", tags=["processes"])


@router.get("", summary="All processes")
@requires(Role.READ)
def list_processes(request: Request, processes: ProcessesDep) -> ProcessList:
    """All processes that can be executed."""
    documents = [process_summary(process, base_url(request)) for process in processes.list()]
    return ProcessList(processes=documents, links=[Link(**item) for item in page_links(request)])


@router.get("/{process_id}", summary="One process")
@requires(Role.READ)
def read(process_id: ProcessId, request: Request, processes: ProcessesDep) -> ProcessPublic:
    """A process with the JSON Schema of each input."""
    return process_document(processes.get(process_id), base_url(request))


@router.post("/{process_id}/execution", status_code=201, summary="Execute a process")
@requires(Role.WRITE)
def execute(process_id: ProcessId, body: Execution, request: Request, response: Response, processes: ProcessesDep) -> JobPublic:
    """Execute a process in a job; `Location` is the URL of the job."""
    job = processes.execute(process_id, body.inputs, body.outputs or (), body.called())
    response.headers["Location"] = f"/jobs/{job.id}"
    return job_document(job, base_url(request))
