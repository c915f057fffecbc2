"""Labels of many tiles at once, from a file and to one."""

from __future__ import annotations

import shutil
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.api.deps import CollectionId, ContainerDep, FilterDep, LabelsDep
from app.api.documents.labels import LabelsImported, labels_document
from app.api.documents.resources import GEOJSON
from app.api.uploads import receive_file
from app.services.labels.labels import Mode

PART = "file"
CSV = "text/csv"
BINARY = {"type": "string", "format": "binary"}
LABELS_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            CSV: {"schema": {"type": "string"}, "example": "file_name,label\nharbor07.tif,harbor\n"},
            GEOJSON: {"schema": {"type": "object"}},
            "multipart/form-data": {"schema": {"type": "object", "required": [PART], "properties": {PART: BINARY}}},
        },
    }
}
EXPORT: dict[int | str, dict[str, Any]] = {200: {"content": {CSV: {}}}}

router = APIRouter(prefix="/collections/{collection_id}", tags=["labels"])


@router.post("/labels", summary="Label many tiles", openapi_extra=LABELS_BODY)
async def import_labels(
    collection_id: CollectionId,
    request: Request,
    container: ContainerDep,
    labels: LabelsDep,
    mode: Annotated[Mode, Query(description="add to the labels that a tile has, or replace them")] = "add",
) -> LabelsImported:
    """Label the tiles that the rows of a CSV or the features of a GeoJSON file mean, by id, name or place. A row that cannot
    be understood or means no tile is listed with its line and the reason, and fails nothing else.
    """
    await to_thread.run_sync(container.collections.get, collection_id)
    folder = await to_thread.run_sync(container.folders.new)
    try:
        path = await receive_file(request, folder, container.settings.max_upload_bytes, PART)
        done = await to_thread.run_sync(labels.import_file, collection_id, path, mode)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return labels_document(done)


@router.get("/labels.csv", response_class=Response, responses=EXPORT, summary="All labels as CSV")
def export_labels(collection_id: CollectionId, labels: LabelsDep, filter: FilterDep) -> Response:
    """Id, file name, place and labels of the qualifying tiles; sent back to `POST .../labels` it changes nothing."""
    headers = {"Content-Disposition": f'attachment; filename="{collection_id}-labels.csv"'}
    return StreamingResponse(labels.export_csv(collection_id, filter), media_type=CSV, headers=headers)
