"""Models: list, import, export, make the default, delete."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from app.api.access import requires
from app.api.deps import ContainerDep, ModelId, ModelsDep
from app.api.documents.base import Link, base_url, page_links
from app.api.documents.catalogue.models import ZIP, ModelImported, ModelList, ModelPublic, imported_document, model_document
from app.api.routing import checked_router
from app.api.uploads import receive_file, temporary_folder
from app.domain.keys import Role

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

CONFORMANCE: tuple[str, ...] = ()

router = checked_router(prefix="/models", tags=["models"])


@router.get("", summary="All models")
@requires(Role.READ)
def list_models(request: Request, models: ModelsDep) -> ModelList:
    """Model cards, the default first, each with its origin and the collections that use it."""
    documents = [model_document(info, base_url(request)) for info in models.all()]
    return ModelList(models=documents, links=[Link(**item) for item in page_links(request)])


@router.post(
    "",
    status_code=201,
    summary="Import a model",
    openapi_extra=IMPORT_BODY,
    responses={200: {"model": ModelImported, "description": "The service already has this bundle"}},
)
@requires(Role.ADMIN, streams_body=True)
async def import_model(request: Request, response: Response, container: ContainerDep, models: ModelsDep) -> ModelImported:
    """Import a model bundle as a zip file, in the format of `GET /models/{id}/bundle`. 409 if another model has its identifier,
    422 if the bundle is not valid; the model is then not imported.
    """
    with temporary_folder(container.folders.new) as folder:
        archive = await receive_file(request, folder, container.settings.max_upload_bytes, PART)
        done = await to_thread.run_sync(models.import_zip, archive)
    if done.is_new:
        response.headers["Location"] = f"/models/{done.model.card.id}"
    else:
        response.status_code = 200
    return imported_document(done, base_url(request))


@router.get("/{model_id}", summary="One model")
@requires(Role.READ)
def read(model_id: ModelId, request: Request, models: ModelsDep) -> ModelPublic:
    """A model card."""
    return model_document(models.info(model_id), base_url(request))


@router.get("/{model_id}/bundle", response_class=Response, responses=BUNDLE, summary="Export a model")
@requires(Role.READ)
def bundle(model_id: ModelId, models: ModelsDep) -> Response:
    """The bundle of a model as a zip file, the same bytes at every request; 404 for a model without a bundle (built-in)."""
    headers = {"Content-Disposition": f'attachment; filename="{model_id}.zip"'}
    return StreamingResponse(models.stream_zip(model_id), media_type=ZIP, headers=headers)


@router.post("/{model_id}/activate", summary="Make a model the default")
@requires(Role.ADMIN)
def activate(model_id: ModelId, request: Request, models: ModelsDep) -> ModelPublic:
    """Make a model the default of new collections and of collections with `follows_active`; 422 if it does not run."""
    return model_document(models.activate(model_id), base_url(request))


@router.delete("/{model_id}", status_code=204, summary="Delete a model")
@requires(Role.ADMIN)
def delete(model_id: ModelId, models: ModelsDep) -> None:
    """Delete an imported model: 409 if it is the default or a collection uses it, 403 if it is part of Dyad."""
    models.delete(model_id)
