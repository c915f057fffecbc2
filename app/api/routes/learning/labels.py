"""Import and export of labels as files."""

from __future__ import annotations

from typing import Annotated, Any

from anyio import to_thread
from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse

from app.api.access import requires
from app.api.deps import CollectionId, ContainerDep, FilterDep, LabelsDep
from app.api.documents.base import GEOJSON
from app.api.documents.learning.labels import LabelsImported, labels_document
from app.api.routing import checked_router
from app.api.uploads import receive_file, temporary_folder
from app.domain.keys import Role
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

CONFORMANCE: tuple[str, ...] = ()

router = checked_router(prefix="/collections/{collection_id}", tags=["labels"])


@router.post("/labels", summary="Import labels", openapi_extra=LABELS_BODY)
@requires(Role.WRITE, streams_body=True)
async def import_labels(
    collection_id: CollectionId,
    request: Request,
    container: ContainerDep,
    labels: LabelsDep,
    mode: Annotated[Mode, Query(description="Add to the labels of a tile, or replace them")] = "add",
) -> LabelsImported:
    """Label tiles from the rows of a CSV file or the features of a GeoJSON file, which name tiles by identifier, file name or
    location. The answer lists rows that are not valid or match no tile, with line and reason; the other rows are applied.
    """
    await to_thread.run_sync(container.collections.get, collection_id)
    with temporary_folder(container.folders.new) as folder:
        path = await receive_file(request, folder, container.settings.max_upload_bytes, PART)
        done = await to_thread.run_sync(labels.import_file, collection_id, path, mode)
    return labels_document(done)


@router.get("/labels.csv", response_class=Response, responses=EXPORT, summary="Export labels as CSV")
@requires(Role.READ)
def export_labels(collection_id: CollectionId, labels: LabelsDep, filter: FilterDep) -> Response:
    """Identifier, file name, location and labels of the tiles that match the filters, in the format that the import reads."""
    headers = {"Content-Disposition": f'attachment; filename="{collection_id}-labels.csv"'}
    return StreamingResponse(labels.export_csv(collection_id, filter), media_type=CSV, headers=headers)
