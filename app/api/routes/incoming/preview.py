"""Preview of a file before it is indexed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anyio import to_thread
from fastapi import Request
from pydantic import ValidationError

from app.api.access import requires
from app.api.deps import ContainerDep
from app.api.documents.incoming.preview import FilePreviewPublic, PreviewSettings, preview_document
from app.api.problems import field_errors
from app.api.routing import checked_router
from app.api.uploads import Form, receive_form, temporary_folder
from app.container import Container
from app.domain.keys import Role
from app.errors import InvalidInput, Unprocessable
from app.services.catalogue.tile_settings import spec_of
from app.services.ingest.preview import preview_file

PARTS = frozenset({"file", "settings"})
TILE_SIZE = 256
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "settings": {"type": "string", "description": "JSON object: tile_size, stride, bands, scaling, model"},
                    },
                }
            }
        },
    }
}
CONFORMANCE: tuple[str, ...] = ()

router = checked_router(prefix="/preview", tags=["items"])


@router.post("", summary="Preview a file", openapi_extra=BODY)
@requires(Role.WRITE, streams_body=True)
async def preview(request: Request, container: ContainerDep) -> FilePreviewPublic:
    """What an image, a scene or a zip contains: size, bands, CRS, number of tiles, proposed settings, and three tiles as the
    model sees them with these settings. Nothing is stored.
    """
    with temporary_folder(container.folders.new) as folder:
        form = await receive_form(request, folder, container.settings.max_upload_bytes, PARTS)
        base = await to_thread.run_sync(folder)
        return await to_thread.run_sync(_preview, form, base, container)


def _preview(form: Form, folder: Path, container: Container) -> FilePreviewPublic:
    files = [file for file in form.named("file") if isinstance(file.content, Path)]
    if len(files) != 1 or not isinstance(files[0].content, Path):
        raise InvalidInput(f"the request has {len(files)} files; send one, as the form part 'file'")
    settings = _settings(form.text("settings"))
    card = container.models.check_fit(settings.model or container.models.default().id, settings.bands)
    size = settings.tile_size or TILE_SIZE
    spec = spec_of(card, container.settings.max_pixels, size, settings.stride or size, settings.bands, settings.scaling)
    path, limit = files[0].content, container.settings.max_upload_bytes
    found = preview_file(path, files[0].file_name, spec, folder, limit, propose_size=settings.tile_size is None)
    return preview_document(found, card.id)


def _settings(text: bytes | None) -> PreviewSettings:
    if not text:
        return PreviewSettings()
    try:
        return PreviewSettings.model_validate_json(text)
    except ValidationError as error:
        fields = field_errors(error, "settings")
        raise Unprocessable(f"settings: {fields[0].message}", fields) from None
