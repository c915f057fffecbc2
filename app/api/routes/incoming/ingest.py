"""Ingest of files into a collection."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from anyio import CancelScope, to_thread
from fastapi import Query, Request, Response
from pydantic import TypeAdapter, ValidationError

from app.api.access import requires
from app.api.deps import CollectionId, ContainerDep, IngestDep
from app.api.documents.base import base_url
from app.api.documents.catalogue.items import HrefIngest
from app.api.documents.service.jobs import JobPublic, job_document
from app.api.openapi import SchemaReference
from app.api.problems import field_errors
from app.api.routing import checked_router
from app.api.uploads import Form, is_multipart, receive_form
from app.container import Container
from app.domain.jobs import Job
from app.domain.keys import Role
from app.errors import FieldError, Unprocessable

INGEST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "metadata": {"type": "string", "description": "JSON object with metadata by file name"},
                        "labels_from_folders": {
                            "type": "boolean",
                            "description": "Label each file with the name of its folder: `harbor/a.jpg` gets `harbor`",
                        },
                    },
                }
            },
            "application/json": {"schema": SchemaReference(HrefIngest)},
        },
    }
}
PARTS = frozenset({"files", "metadata", "labels_from_folders"})
CONFORMANCE: tuple[str, ...] = ()

router = checked_router(prefix="/collections/{collection_id}/items", tags=["items"])


@router.post("", status_code=201, summary="Index files", openapi_extra=INGEST_BODY)
@requires(Role.WRITE, streams_body=True)
async def ingest(
    collection_id: CollectionId,
    request: Request,
    response: Response,
    container: ContainerDep,
    service: IngestDep,
    labels_from_folders: Annotated[bool, Query(description="As the field of the body: label each file by its folder")] = False,
) -> JobPublic:
    """Index uploaded files, or the files that `href` names, in a job; `Location` is the URL of the job."""
    await to_thread.run_sync(container.collections.get, collection_id)
    if is_multipart(request):
        job = await _upload(collection_id, request, container, labels_from_folders)
    else:
        body = await _href(request)
        labels = labels_from_folders or body.labels_from_folders
        job = await to_thread.run_sync(service.submit_href, collection_id, body.href, labels, body.selection)
    response.headers["Location"] = f"/jobs/{job.id}"
    return job_document(job, base_url(request))


async def _upload(collection_id: str, request: Request, container: Container, labels_from_folders: bool) -> Job:
    folder = await to_thread.run_sync(container.folders.new)
    try:
        form = await receive_form(request, lambda: folder, container.settings.max_upload_bytes, PARTS)
        return await to_thread.run_sync(_submit, collection_id, folder, form, container, labels_from_folders)
    except BaseException:  # also when the client disconnects: delete what it has sent
        with CancelScope(shield=True):
            await to_thread.run_sync(container.folders.delete, folder.name)
        raise


def _submit(collection_id: str, folder: Path, form: Form, container: Container, labels_from_folders: bool) -> Job:
    files = [(file.file_name, file.content) for file in form.named("files") if isinstance(file.content, Path)]
    labels = labels_from_folders or _is_true(form.text("labels_from_folders"))
    return container.ingest.submit_upload(collection_id, folder, files, form.text("metadata"), labels)


def _is_true(text: bytes | None) -> bool:
    """The value of a yes or no part of a form; false without one."""
    try:
        return text is not None and TypeAdapter(bool).validate_python(text.decode("utf-8", "replace").strip())
    except ValidationError:
        wrong = "must be true or false"
        raise Unprocessable(f"labels_from_folders: {wrong}", [FieldError("labels_from_folders", wrong)]) from None


async def _href(request: Request) -> HrefIngest:
    try:
        return HrefIngest.model_validate_json(await request.body())
    except ValidationError as error:
        fields = field_errors(error)
        raise Unprocessable("body not valid: send multipart/form-data with `files`, or JSON with `href`", fields) from None
