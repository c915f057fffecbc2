"""What clients send and get, a schema per direction. Unknown fields are refused on the way in."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.domain.collections import MAX_TILE, MIN_TILE, BandList, Keyword, Scaling
from app.domain.geometry import GeoJSON
from app.domain.ids import COLLECTION_ID
from app.domain.jobs import JobStatus
from app.domain.metadata import Labels
from app.domain.search import DEFAULT_LIMIT
from models.bundle.card import MAX_DEPTH


class In(BaseModel):
    """Base of what clients send."""

    model_config = ConfigDict(extra="forbid")


class Link(BaseModel):
    """A web link."""

    href: str
    rel: str
    type: str | None = None
    title: str | None = None
    method: str | None = None
    body: dict[str, Any] | None = None


class CollectionCreate(In):
    """Body of `POST /collections`; stride is tile_size, model the service's default unless given."""

    id: str = Field(pattern=COLLECTION_ID, examples=["naip"])
    title: str = Field(default="", max_length=256)
    description: str = Field(default="", max_length=10_000)
    tile_size: int = Field(default=256, ge=MIN_TILE, le=MAX_TILE)
    stride: int | None = Field(default=None, ge=1, le=MAX_TILE)
    bands: BandList | None = None
    scaling: Scaling = Scaling()
    model: str | None = None
    keywords: tuple[Keyword, ...] = ()


class CollectionPatch(In):
    """Body of `PATCH /collections/{id}`; what is not named stays."""

    title: str = Field(default="", max_length=256)
    description: str = Field(default="", max_length=10_000)
    tile_size: int = Field(default=256, ge=MIN_TILE, le=MAX_TILE)
    stride: int = Field(default=256, ge=1, le=MAX_TILE)
    bands: BandList | None = None
    scaling: Scaling = Scaling()
    model: str = ""
    follows_active: bool = False
    rerank: bool | None = None
    keywords: tuple[Keyword, ...] = ()


class SpatialExtent(BaseModel):
    """bbox: [west, south, east, north]; west > east across the antimeridian."""

    bbox: list[list[float]]
    crs: str = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"


class TemporalExtent(BaseModel):
    """interval: first and last acquisition time; nulls where no tile has one."""

    interval: list[list[str | None]]


class ExtentPublic(BaseModel):
    """As OGC API Features has it; spatial is null where no tile has a place."""

    spatial: SpatialExtent | None
    temporal: TemporalExtent


class IndexPublic(BaseModel):
    """The live index."""

    model: str
    version: str
    size: int
    dimension: int
    built_at: datetime


class CollectionPublic(BaseModel):
    """A collection as clients see it."""

    id: str
    title: str
    description: str
    tile_size: int
    stride: int
    bands: tuple[int | str, ...] | None
    scaling: Scaling
    model: str
    follows_active: bool
    rerank: bool | None
    keywords: tuple[str, ...]
    created: datetime
    updated: datetime
    item_count: int
    extent: ExtentPublic
    index: IndexPublic
    links: list[Link]


class CollectionList(BaseModel):
    """All collections."""

    collections: list[CollectionPublic]
    links: list[Link]


class HrefIngest(In):
    """JSON body of `POST /collections/{id}/items`."""

    href: str = Field(min_length=1, max_length=4096, examples=["/data/scenes/T33UVP.tif"])


class ItemPatch(In):
    """labels replace the tile's; properties are merged into the tile's, null removes one."""

    labels: Labels | None = None
    properties: dict[str, Any] | None = None


class RerankDepth(In):
    """How many candidates the matcher looks at."""

    depth: int = Field(ge=1, le=MAX_DEPTH)


class RerankBudget(In):
    """How many milliseconds the matcher may take; the server picks the depth that fits, 10 to 1000."""

    budget_ms: float = Field(gt=0, le=60_000, allow_inf_nan=False)


class SearchRequest(In):
    """Body of `POST /collections/{id}/search`.

    rerank: as the model's card and the collection have it unless given. min_probability: results below are cut. diversify:
    near-copies are folded into the best of them. index_version: an older index, while it is kept.
    """

    positives: tuple[str, ...] = Field(default=(), max_length=1000)
    negatives: tuple[str, ...] = Field(default=(), max_length=1000)
    bbox: list[float] | None = None
    intersects: GeoJSON | None = None
    datetime: str | None = None
    labels: list[str] | None = None
    ids: list[str] | None = None
    limit: int = Field(default=DEFAULT_LIMIT, ge=1)
    token: str | None = None
    rerank: bool | RerankDepth | RerankBudget | None = None
    min_probability: Annotated[float, Field(ge=0, le=1)] | None = None
    diversify: bool = False
    index_version: str | None = Field(default=None, max_length=100)


class JobPublic(BaseModel):
    """Status document of OGC API Processes; `id` and `collection`, `counts` are Dyad's."""

    id: str
    jobID: str  # noqa: N815 - OGC's spelling
    processID: str  # noqa: N815 - OGC's spelling
    type: str = "process"
    status: JobStatus
    progress: float
    message: str
    collection: str | None
    counts: dict[str, int]
    attempts: int
    created: datetime
    started: datetime | None
    finished: datetime | None
    updated: datetime
    links: list[Link]


class JobList(BaseModel):
    """A page of jobs, newest first."""

    jobs: list[JobPublic]
    links: list[Link]


class LabelCount(BaseModel):
    """A label and how many tiles have it."""

    value: str
    count: int


class LabelList(BaseModel):
    """The labels of a collection, the most frequent first."""

    labels: list[LabelCount]


class FeaturePublic(BaseModel):
    """A tile as GeoJSON; geometry is null for one without a place. near_copies: ids of tiles that a search folded into it."""

    type: str = "Feature"
    id: str
    geometry: GeoJSON | None
    properties: dict[str, Any]
    links: list[Link]
    near_copies: list[str] | None = None


class RerankPublic(BaseModel):
    """What the matcher did: looked at the first `depth` places, with `weight` in the score."""

    depth: int
    weight: float
    budget_ms: float | None = None


class FeatureCollectionPublic(BaseModel):
    """A page of tiles. A search adds what stands below the links.

    rerank: null where the matcher did not look. matches_end_at: the rank after which it no longer believes in a match; absent
    where it cannot tell.
    """

    type: str = "FeatureCollection"
    features: list[FeaturePublic]
    number_matched: int
    number_returned: int
    links: list[Link]
    model: str | None = None
    index_version: str | None = None
    timings_ms: dict[str, float] | None = None
    rerank: RerankPublic | None = None
    matches_end_at: int | None = None


class Health(BaseModel):
    """The state of the service, or of its parts."""

    status: str
    parts: dict[str, str] = Field(default_factory=dict)


class ProblemPublic(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = None
