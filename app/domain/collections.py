"""Collections: an archive of tiles that share a size, bands, scaling and model."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.domain.ids import COLLECTION_ID

MIN_TILE, MAX_TILE = 16, 4096
Band = int | str
"""A 1-based raster index, or a band's name as its file describes it."""


class Scaling(BaseModel):
    """How raw values become the 0..255 that models see.

    auto: uint8 as it is, anything else by `percentile` with its defaults.
    none: values are 0..255 already.
    range: `low`..`high` linearly, one pair for all bands.
    percentile: the scene's `low`-th to `high`-th percentile, band by band (default 2 and 98).
    reflectance: surface reflectance, `(value * scale + offset)` of 0..`high` (Sentinel-2 L2A: scale 1e-4; Landsat C2 L2:
    scale 2.75e-5, offset -0.2), `high` 0.3 by default.
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
            raise ValueError("scaling by range needs low and high")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError("scaling: low must be below high")
        if self.method == "percentile" and not ((self.low or 0) >= 0 and (self.high if self.high is not None else 100) <= 100):
            raise ValueError("scaling by percentile: low and high are percentiles, 0 to 100")
        return self


BandList = Annotated[tuple[Band, ...], Field(min_length=1, max_length=64)]
Keyword = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class Collection(BaseModel):
    """The settings of a collection, as stored.

    tile_size, stride: pixels of the source raster. bands: which bands in which order, None for the first that the model
    wants (RGB where the file names its colours). model: id of the wanted model; the live index may still be another's.
    follows_active: the wanted model is the service's default, whichever that is (it was created without naming one).
    rerank: None as the model's card says, False where the labels of the collection showed that re-ranking hurts.
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
