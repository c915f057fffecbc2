"""The models at hand: list, import, export, choose, delete."""

from __future__ import annotations

import shutil
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from app.api.deps import ContainerDep, ModelsDep
from app.api.documents.models import ZIP, ModelImported, ModelList, ModelPublic, imported_document, model_document
from app.api.documents.resources import base_url, page_links
from app.api.documents.schemas import Link
from app.api.uploads import receive_file

PART = "bundle"
BINARY = {"type": "string", "format": "binary"}
IMPORT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": {"type": "object", "required": [PART], "properties": {PART: BINARY}}},
            ZIP: {"schema": BINARY},
        },
    }
}
BUNDLE: dict[int | str, dict[str, Any]] = {200: {"content": {ZIP: {}}}}

router = APIRouter(prefix="/models", tags=["models"])


@router.get("", summary="All models")
def list_models(request: Request, models: ModelsDep) -> ModelList:
    """Model cards, the default first, with where each comes from and which collections need it."""
    documents = [model_document(info, base_url(request)) for info in models.all()]
    return ModelList(models=documents, links=[Link(**item) for item in page_links(request)])


@router.post(
    "",
    status_code=201,
    summary="Import a model",
    openapi_extra=IMPORT_BODY,
    responses={200: {"model": ModelImported, "description": "The very same bundle was there already"}},
)
async def import_model(request: Request, response: Response, container: ContainerDep, models: ModelsDep) -> ModelImported:
    """Import a bundle as one zip, as `GET /models/{id}/bundle` gives it. 409 if another model has its id, 422 if it does not
    fit; then nothing of it is kept.
    """
    folder = await to_thread.run_sync(container.folders.new)
    try:
        archive = await receive_file(request, folder, container.settings.max_upload_bytes, PART)
        done = await to_thread.run_sync(models.import_zip, archive)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if done.is_new:
        response.headers["Location"] = f"/models/{done.model.card.id}"
    else:
        response.status_code = 200
    return imported_document(done, base_url(request))


@router.get("/{model_id}", summary="One model")
def read(model_id: str, request: Request, models: ModelsDep) -> ModelPublic:
    """A model card."""
    return model_document(models.info(model_id), base_url(request))


@router.get("/{model_id}/bundle", response_class=Response, responses=BUNDLE, summary="Export a model")
def bundle(model_id: str, models: ModelsDep) -> Response:
    """The model's bundle as one zip, the same bytes every time; 404 for a built-in model, which has none."""
    headers = {"Content-Disposition": f'attachment; filename="{model_id}.zip"'}
    return StreamingResponse(models.stream_zip(model_id), media_type=ZIP, headers=headers)


@router.post("/{model_id}/activate", summary="Make a model the default")
def activate(model_id: str, request: Request, models: ModelsDep) -> ModelPublic:
    """What new collections get from now on, and those that follow the active model; 422 if it does not run."""
    return model_document(models.activate(model_id), base_url(request))


@router.delete("/{model_id}", status_code=204, summary="Delete a model")
def delete(model_id: str, models: ModelsDep) -> None:
    """Delete an added bundle: 409 while it is the active one or a collection needs it, 403 if it comes with Dyad."""
    models.delete(model_id)
