"""Processes: what there is to begin, and beginning it as a job (OGC API Processes)."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.api.deps import ProcessesDep, ProcessId
from app.api.documents.processes import Execution, ProcessList, ProcessPublic, process_document, process_summary
from app.api.documents.resources import base_url, job_document, page_links
from app.api.documents.schemas import JobPublic, Link

router = APIRouter(prefix="/processes", tags=["processes"])


@router.get("", summary="All processes")
def list_processes(request: Request, processes: ProcessesDep) -> ProcessList:
    """What can be begun."""
    documents = [process_summary(process, base_url(request)) for process in processes.list()]
    return ProcessList(processes=documents, links=[Link(**item) for item in page_links(request)])


@router.get("/{process_id}", summary="One process")
def read(process_id: ProcessId, request: Request, processes: ProcessesDep) -> ProcessPublic:
    """A process with the JSON schema of each of its inputs."""
    return process_document(processes.get(process_id), base_url(request))


@router.post("/{process_id}/execution", status_code=201, summary="Begin a process")
def execute(process_id: ProcessId, body: Execution, request: Request, response: Response, processes: ProcessesDep) -> JobPublic:
    """Begin a process as a job: follow `Location`."""
    job = processes.execute(process_id, body.inputs)
    response.headers["Location"] = f"/jobs/{job.id}"
    return job_document(job, base_url(request))
