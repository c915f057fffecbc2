"""Documents of searches."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field

from app.api.documents.base import Document, In
from app.api.documents.catalogue.items import feature, feature_collection
from app.api.links import Place
from app.domain.places.geometry import MAX_VERTICES, GeoJSON
from app.domain.queries.search import DEFAULT_LIMIT, Match, SearchResult
from models.bundle.card import MAX_DEPTH

MAX_LISTED = 1000
MAX_IDS = 10_000
MAX_PLACES = 32
MAX_SCENES = 8
INTERSECTS = (
    f"GeoJSON geometry of at most {MAX_VERTICES} vertices, or a Feature, FeatureCollection or GeometryCollection, which stands "
    "for the union of its geometries; excludes bbox"
)


class RerankDepth(In):
    """Number of candidates that the pairwise model re-ranks."""

    depth: int = Field(ge=1, le=MAX_DEPTH)


class RerankBudget(In):
    """Milliseconds that re-ranking may take; the server chooses a depth of 10 to 1000 that fits."""

    budget_ms: float = Field(gt=0, le=60_000, allow_inf_nan=False)


class Diversify(In):
    """Which near-duplicates are merged."""

    other_dates: bool = Field(default=True, description="Also merge tiles of the same place that were acquired on other dates")


class SceneRequest(In):
    """A window of a scene that need not be in the archive: around a point, of the size of a tile, or a region."""

    href: str = Field(min_length=1, max_length=2000, description="Path or URL of a scene or STAC Item that may be read")
    point: list[float] | None = Field(default=None, min_length=2, max_length=2, description="[longitude, latitude]")
    region: GeoJSON | None = Field(default=None, description="GeoJSON geometry")


class SearchRequest(In):
    """Body of `POST /collections/{id}/search`; the filters are combined with AND."""

    positives: tuple[str, ...] = Field(default=(), max_length=MAX_LISTED, description="Items that results resemble")
    negatives: tuple[str, ...] = Field(default=(), max_length=MAX_LISTED, description="Items that results do not resemble")
    point: list[float] | None = Field(
        default=None, min_length=2, max_length=2, description="[longitude, latitude]: what is there is a positive example"
    )
    region: GeoJSON | None = Field(default=None, description="GeoJSON geometry: what is there is a positive example")
    places: list[list[float] | GeoJSON] | None = Field(
        default=None, max_length=MAX_PLACES, description="Several points ([longitude, latitude]) and geometries as positives"
    )
    negative_places: list[list[float] | GeoJSON] | None = Field(
        default=None, max_length=MAX_PLACES, description="As `places`, for what results do not resemble"
    )
    scenes: list[SceneRequest] | None = Field(
        default=None, max_length=MAX_SCENES, description="Windows of scenes or STAC Items, in the archive or not, as positives"
    )
    negative_scenes: list[SceneRequest] | None = Field(
        default=None, max_length=MAX_SCENES, description="As `scenes`, for what results do not resemble"
    )
    vector: list[float] | None = Field(
        default=None,
        min_length=2,
        max_length=65_536,
        description="Embedding of the collection's model as a positive example; not re-ranked by a pairwise model",
    )
    bbox: list[float] | None = Field(default=None, max_length=6, description="[west, south, east, north] in degrees (WGS 84)")
    intersects: GeoJSON | None = Field(default=None, description=INTERSECTS)
    datetime: str | None = Field(default=None, description="RFC 3339 instant or interval, `..` for an open end")
    labels: list[str] | None = Field(default=None, max_length=MAX_LISTED, description="A result has one of these labels")
    ids: list[str] | None = Field(default=None, max_length=MAX_IDS, description="Items that are candidates; all if not given")
    filter: str | dict[str, Any] | None = Field(default=None, description="Filter in CQL2: JSON, or text")
    filter_lang: Literal["cql2-text", "cql2-json"] | None = Field(
        default=None,
        validation_alias=AliasChoices("filter-lang", "filter_lang"),
        description="Language of `filter`; not given: JSON for an object, text for a text",
    )
    limit: int = Field(default=DEFAULT_LIMIT, ge=1, description="Number of results per page; values above 1000 mean 1000")
    token: str | None = Field(default=None, description="Page token, from the `next` link of the previous page")
    rerank: bool | RerankDepth | RerankBudget | None = Field(
        default=None, description="Re-rank with the pairwise model; not given: as the collection or the model card says"
    )
    min_probability: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None, description="Least match probability of a result"
    )
    diversify: bool | Diversify = Field(
        default=False, description="One result per place: near-duplicates are merged into the best one"
    )
    index_version: str | None = Field(
        default=None, max_length=100, description="A previous index version, from /collections/{id}/indexes"
    )
    explain: bool = Field(default=False, description="Add to each result the places where it matches the first example")


def search_document(result: SearchResult, here: Place, links: list[Document]) -> Document:
    """A page of search results as GeoJSON; `here` is the URL of the collection."""
    features = [_match_feature(match, rank, here) for rank, match in enumerate(result.hits, result.rank_offset + 1)]
    more: Document = {"model": result.model, "index_version": result.index_version, "timings_ms": result.timings_ms}
    more["warnings"] = list(result.warnings)
    more["rerank"] = None if result.reranking is None else _given(**asdict(result.reranking))
    return feature_collection(features, result.matched, links, **more, **_given(matches_end_at=result.matches_end_at))


def _match_feature(match: Match, rank: int, here: Place) -> Document:
    scores = {"score": round(match.score, 6), "similarity": round(match.similarity, 6)}
    probability = None if match.probability is None else round(match.probability, 6)
    found = feature(match.tile, here, rank=rank, **scores, **_given(match_probability=probability))
    if match.near_copies:
        found = {**found, "near_copies": list(match.near_copies)}
    return found if match.places is None else {**found, "match": asdict(match.places)}


def _given(**values: Any) -> Document:
    """The values that are not None."""
    return {name: value for name, value in values.items() if value is not None}
