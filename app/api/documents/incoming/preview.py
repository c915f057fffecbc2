"""Documents of the preview of a file."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from app.api.documents.base import In
from app.domain.collections import MAX_TILE, MIN_TILE, BandList, Scaling
from app.services.ingest.preview import FilePreview


class PreviewSettings(In):
    """Part `settings` of a preview: the settings of a collection that shape its tiles."""

    tile_size: int | None = Field(default=None, ge=MIN_TILE, le=MAX_TILE, description="If not given, it is proposed")
    stride: int | None = Field(default=None, ge=1, le=MAX_TILE)
    bands: BandList | None = Field(default=None, description="1-based raster band numbers, or band names")
    scaling: Scaling = Scaling()
    model: str | None = Field(default=None, description="The default model if not given")


class BandPublic(BaseModel):
    """A band of the file. used: the model gets it with these settings."""

    number: int
    name: str | None
    common_name: str | None
    used: bool


class PreviewTilePublic(BaseModel):
    """A tile as the model sees it, in three bands at most."""

    file_name: str
    window: str | None
    picture: str = Field(description="JPEG or PNG as a data: URL")


class FilePreviewPublic(BaseModel):
    """What a file contains, the settings proposed for it, and tiles cut with them."""

    kind: Literal["scene", "image", "archive"]
    files: int = Field(description="Number of members of a zip, else 1")
    tiles: int | None = Field(description="Largest number of tiles; null for a zip")
    tile_size: int
    width: int | None
    height: int | None
    dtype: str | None
    crs: str | None
    gsd: float | None
    geometry: dict[str, Any] | None
    datetime: datetime | None
    model: str
    bands: list[BandPublic]
    ranges: list[list[float]] | None = Field(description="Values of each used band that become 0 and 255")
    notes: list[str] = Field(description="What is left out or assumed")
    previews: list[PreviewTilePublic]


def preview_document(found: FilePreview, model: str) -> FilePreviewPublic:
    """The preview of a file for a model."""
    return FilePreviewPublic(
        kind=found.kind,
        files=found.files,
        tiles=found.tiles,
        tile_size=found.tile_size,
        width=found.width,
        height=found.height,
        dtype=found.dtype,
        crs=found.crs,
        gsd=found.gsd,
        geometry=found.geometry,
        datetime=found.acquired,
        model=model,
        bands=[BandPublic(number=b.number, name=b.name, common_name=b.common, used=b.used) for b in found.bands],
        ranges=None if found.ranges is None else [list(each) for each in found.ranges],
        notes=list(found.notes),
        previews=[
            PreviewTilePublic(
                file_name=each.name, window=None if each.window is None else str(each.window), picture=_data_url(each.picture)
            )
            for each in found.previews
        ],
    )


def _data_url(picture: bytes) -> str:
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{b64encode(picture).decode()}"
