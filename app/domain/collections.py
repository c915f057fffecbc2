"""Collections: archives of tiles that share a tile size, bands, scaling and model."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.domain.naming.ids import COLLECTION_ID

MIN_TILE, MAX_TILE = 16, 4096
Band = int | str
"""A 1-based band number, or a band name as described in the file."""


class Scaling(BaseModel):
    """How raw values are scaled to the 0..255 of the models' input.

    auto: uint8 unchanged, other types by `percentile` with its defaults.
    none: values are 0..255 already.
    range: linear from `low`..`high`, the same for all bands.
    percentile: linear from the scene's `low`-th to `high`-th percentile of each band (default 2 and 98).
    reflectance: surface reflectance `value * scale + offset`, linear from 0..`high` (default 0.3). Sentinel-2 L2A: scale 1e-4;
    Landsat C2 L2: scale 2.75e-5, offset -0.2.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["auto", "none", "range", "percentile", "reflectance"] = "auto"
    low: float | None = None
    high: float | None = None
    scale: float = 1e-4
    offset: float = 0.0

    @model_validator(mode="after")
    def _check(self) -> Scaling:
        if self.method == "range" and (self.low is None or self.high is None):
            raise ValueError("scaling: the method range needs low and high")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError("scaling: low must be below high")
        if self.method == "percentile" and not ((self.low or 0) >= 0 and (self.high if self.high is not None else 100) <= 100):
            raise ValueError("scaling: for the method percentile, low and high must be 0 to 100")
        return self


BandList = Annotated[tuple[Band, ...], Field(min_length=1, max_length=1024)]
Keyword = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class Collection(BaseModel):
    """The settings of a collection, as stored.

    tile_size, stride: pixels of the source raster. bands: selected bands in order; None for the first bands that the model
    takes (red, green, blue if the file names them). model: id of the model that the index should have; the live index may have
    another.
    follows_active: use the active model instead (the collection was created without a model).
    rerank: None for the default of the model card, False if searches are not re-ranked unless they request it.
    """

    model_config = ConfigDict(frozen=True)

    id: str = Field(pattern=COLLECTION_ID)
    title: str = Field(default="", max_length=256)
    description: str = Field(default="", max_length=10_000)
    tile_size: int = Field(default=256, ge=MIN_TILE, le=MAX_TILE)
    stride: int = Field(default=256, ge=1, le=MAX_TILE)
    bands: BandList | None = None
    scaling: Scaling = Scaling()
    model: str
    follows_active: bool = False
    rerank: bool | None = None
    keywords: tuple[Keyword, ...] = ()
    created: datetime
    updated: datetime
