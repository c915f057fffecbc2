"""Documents of collections."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from app.api.documents.base import GEOJSON, JSON, In, Link, is_none
from app.api.documents.gis.schemas import MEDIA_TYPE as SCHEMA
from app.api.documents.gis.stac import LICENSE, STAC_VERSION, bbox_of
from app.domain.collections import MAX_TILE, MIN_TILE, BandList, Keyword, Scaling
from app.domain.naming.ids import COLLECTION_ID
from app.domain.places.crs import Crs
from app.domain.places.geometry import Bounds
from app.domain.temporal import Interval, format_instant
from app.services.catalogue.collections import CollectionInfo

MAX_KEYWORDS = 100
QUERYABLES = "http://www.opengis.net/def/rel/ogc/1.0/queryables"


class CollectionCreate(In):
    """Body of `POST /collections`. Defaults: `stride` is `tile_size`, `model` is the default model of the service."""

    id: str = Field(pattern=COLLECTION_ID, examples=["naip"])
    title: str = Field(default="", max_length=256)
    description: str = Field(default="", max_length=10_000)
    tile_size: int = Field(default=256, ge=MIN_TILE, le=MAX_TILE, description="Side of a tile in pixels")
    stride: int | None = Field(default=None, ge=1, le=MAX_TILE, description="Distance between neighbouring tiles in pixels")
    bands: BandList | None = Field(default=None, description="1-based raster band numbers, or band names")
    scaling: Scaling = Scaling()
    model: str | None = None
    keywords: tuple[Keyword, ...] = Field(default=(), max_length=MAX_KEYWORDS)


class CollectionPatch(In):
    """Body of `PATCH /collections/{id}`; fields that are not given stay as they are."""

    title: str = Field(default="", max_length=256)
    description: str = Field(default="", max_length=10_000)
    tile_size: int = Field(default=256, ge=MIN_TILE, le=MAX_TILE, description="Side of a tile in pixels")
    stride: int = Field(default=256, ge=1, le=MAX_TILE, description="Distance between neighbouring tiles in pixels")
    bands: BandList | None = Field(default=None, description="1-based raster band numbers, or band names")
    scaling: Scaling = Scaling()
    model: str = ""
    follows_active: bool = Field(default=False, description="Re-indexing without a model uses the default model of that time")
    rerank: bool | None = Field(default=None, description="Whether searches re-rank by default; null: as the model card says")
    keywords: tuple[Keyword, ...] = Field(default=(), max_length=MAX_KEYWORDS)


class SpatialExtent(BaseModel):
    """Bounding boxes [west, south, east, north] in degrees; west > east crosses the antimeridian."""

    bbox: list[list[float]]
    crs: str = Crs.CRS84


class TemporalExtent(BaseModel):
    """First and last acquisition time; null where no tile has a time."""

    interval: list[list[str | None]]


class ExtentPublic(BaseModel):
    """Extent as in OGC API Features; `spatial` is the whole world if no tile has a geometry."""

    spatial: SpatialExtent
    temporal: TemporalExtent


class IndexPublic(BaseModel):
    """The current index version of a collection. `size` is its number of tiles, `dimension` that of its vectors."""

    model: str
    version: str
    size: int
    dimension: int
    built_at: datetime


class CollectionPublic(BaseModel):
    """A collection with its extent, number of tiles and current index version."""

    id: str
    type: str = "Collection"
    stac_version: str = STAC_VERSION
    license: str = LICENSE
    title: str
    description: str
    tile_size: int
    stride: int
    bands: tuple[int | str, ...] | None = Field(default=None, exclude_if=is_none, description="Absent if not chosen")
    scaling: Scaling
    model: str
    follows_active: bool
    rerank: bool | None
    keywords: tuple[str, ...]
    created: datetime
    updated: datetime
    item_count: int
    placed: bool = Field(description="Whether any tile has a geometry")
    itemType: str = "feature"  # noqa: N815 - OGC's spelling
    crs: tuple[str, ...] = tuple(Crs)
    storageCrs: str = Crs.CRS84  # noqa: N815 - OGC's spelling
    extent: ExtentPublic
    index: IndexPublic
    links: list[Link]


class CollectionList(BaseModel):
    """All collections."""

    collections: list[CollectionPublic]
    links: list[Link]


def collection_document(info: CollectionInfo, base: str) -> CollectionPublic:
    """A collection with its links; `base` is the URL of the service."""
    collection, here = info.collection, f"{base}/collections/{info.collection.id}"
    index = IndexPublic(
        model=info.live.model,
        version=info.live.version,
        size=info.size,
        dimension=info.dimension,
        built_at=info.built_at,
    )
    links = [
        Link(href=here, rel="self", type=JSON),
        Link(href=f"{base}/", rel="root", type=JSON),
        Link(href=f"{base}/", rel="parent", type=JSON),
        Link(href=f"{here}/items", rel="items", type=GEOJSON),
        Link(href=f"{here}/search", rel="search", type=GEOJSON),
        Link(href=f"{base}/models/{info.live.model}", rel="model", type=JSON),
        Link(href=f"{here}/indexes", rel="indexes", type=JSON),
        Link(href=f"{here}/schema", rel="describedby", type=SCHEMA),
        Link(href=f"{here}/queryables", rel=QUERYABLES, type=SCHEMA),
        Link(href=f"{here}?f=html", rel="alternate", type="text/html"),
        Link(href=f"{here}/searches", rel="searches", type=JSON),
        Link(href=f"{here}/tiles/WebMercatorQuad/tilejson.json", rel="tilejson", type=JSON),
        Link(href=f"{here}/wmts", rel="wmts", type="application/xml"),
    ]
    extent = ExtentPublic(spatial=_spatial(info.bounds), temporal=_temporal(info.interval))
    settings = collection.model_dump()
    settings["description"] = collection.description or f"Tiles of {collection.title or collection.id}"
    return CollectionPublic(
        **settings,
        item_count=info.size,
        placed=info.bounds is not None,
        extent=extent,
        index=index,
        links=links,
    )


def _spatial(bounds: Bounds | None) -> SpatialExtent:
    if bounds is None:
        return SpatialExtent(bbox=[[-180, -90, 180, 90]])
    return SpatialExtent(bbox=[bbox_of(bounds)])


def _temporal(interval: Interval | None) -> TemporalExtent:
    ends = (None, None) if interval is None else (interval.start, interval.end)
    return TemporalExtent(interval=[[None if end is None else format_instant(end) for end in ends]])
