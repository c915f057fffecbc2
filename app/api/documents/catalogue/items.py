"""Documents of items: tiles as GeoJSON features."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Self

from pydantic import BaseModel, Discriminator, Field, StringConstraints, Tag, model_validator

from app.api.documents.base import Document, In, Link, link
from app.api.documents.gis.stac import item_links, item_members, item_times
from app.api.links import Place
from app.domain.metadata import Labels
from app.domain.places.crs import Crs, bounds_in, from_crs84
from app.domain.places.geometry import GeoJSON
from app.domain.scheduling.stac_selection import StacSelection
from app.domain.temporal import format_instant
from app.domain.tiles import MAX_LABELS, Tile


class HrefIngest(StacSelection):
    """JSON body of `POST /collections/{id}/items`: a path on the server or a URL, and which items of STAC are taken."""

    href: str = Field(min_length=1, max_length=4096, examples=["/data/scenes/T33UVP.tif"])
    labels_from_folders: bool = Field(default=False, description="Label each file with the name of its folder")


class LabelChanges(In):
    """Labels to add to a tile and to remove from it; its other labels stay."""

    add: Labels = ()
    remove: Annotated[tuple[Annotated[str, StringConstraints(strip_whitespace=True)], ...], Field(max_length=MAX_LABELS)] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        both = sorted({*self.add} & {*self.remove})
        if both:
            raise ValueError(f"label {both[0]!r} is in add and in remove; name it in one of them")
        return self


def _kind(value: object) -> str:
    return "changes" if isinstance(value, dict | LabelChanges) else "list"


class ItemPatch(In):
    """Body of `PATCH /collections/{id}/items/{item_id}`."""

    labels: Annotated[Annotated[Labels, Tag("list")] | Annotated[LabelChanges, Tag("changes")], Discriminator(_kind)] | None = (
        Field(
            default=None,
            description="A list replaces the labels of the tile; an object adds and removes labels and leaves others",
            examples=[{"add": ["harbor"], "remove": ["beach"]}],
        )
    )
    properties: dict[str, Any] | None = Field(
        default=None, description="Merged into the properties of the tile; null removes a property"
    )


class MatchPublic(BaseModel):
    """How well each place of two tiles is matched by the other tile: rows of numbers from 0 to 1, the top row first."""

    query: list[list[float]]
    candidate: list[list[float]]


class FeaturePublic(BaseModel):
    """A tile as a GeoJSON feature; `geometry` is null for a tile that is not georeferenced."""

    type: str = "Feature"
    id: str
    geometry: GeoJSON | None
    properties: dict[str, Any]
    links: list[Link]
    stac_version: str | None = Field(default=None, description="Version of STAC; items are STAC items")
    collection: str | None = None
    bbox: list[float] | None = Field(default=None, description="West, south, east, north; absent without a geometry")
    assets: dict[str, Any] | None = Field(default=None, description="`image`, `thumbnail`, and `source` if it is a URL")
    near_copies: list[str] | None = Field(
        default=None, description="Items that `diversify` merged into this result because they show the same place"
    )
    match: MatchPublic | None = Field(
        default=None, description="Where a search result and the first example match; only with `explain`"
    )


class RerankPublic(BaseModel):
    """How a search was re-ranked: the first `depth` candidates, with `weight` for the score of the pairwise model, and
    `neighbours` for the overlap of neighbourhoods (absent if it is not used)."""

    depth: int
    weight: float
    neighbours: float | None = None
    budget_ms: float | None = None


class FeatureCollectionPublic(BaseModel):
    """A page of tiles as a GeoJSON feature collection. The fields after `links` are in search answers only."""

    type: str = "FeatureCollection"
    features: list[FeaturePublic]
    number_matched: int
    number_returned: int
    links: list[Link]
    model: str | None = None
    index_version: str | None = None
    timings_ms: dict[str, float] | None = None
    rerank: RerankPublic | None = Field(default=None, description="Null if the search was not re-ranked")
    matches_end_at: int | None = Field(
        default=None,
        description="Rank of the last result with a match probability of at least 0.5; absent without probabilities",
    )
    warnings: list[str] | None = Field(
        default=None, description="Remarks on the uploaded image: what was assumed, and what makes it unlike the tiles"
    )


def feature(tile: Tile, here: Place, **more: Any) -> dict[str, Any]:
    """A tile as a GeoJSON feature. `here`: URL of its collection. `more`: properties that come before the stored fields."""
    record = {
        "labels": list(tile.labels),
        **item_times(tile),
        "file_name": tile.file_name,
        "source": tile.source,
        "window": None if tile.window is None else str(tile.window),
        **({} if tile.gsd is None else {"gsd": tile.gsd}),
        "indexed_at": format_instant(tile.indexed_at),
    }
    thumbnail, image = (here.picture(tile.id, each) if tile.has_image else None for each in ("thumbnail", "image"))
    links = item_links(here, tile.id)
    if thumbnail and image:
        links = [link(thumbnail, "thumbnail", "image/jpeg"), *links, link(image, "enclosure", "image/*")]
    # The thumbnail is also a property: a GIS shows attributes but no links.
    shown = {} if thumbnail is None else {"thumbnail": thumbnail}
    properties = {**shown, **tile.properties, **more, **record}
    geojson = {"type": "Feature", "id": tile.id, "geometry": tile.geometry, "properties": properties}
    return {**geojson, **item_members(tile, here, image=image, thumbnail=thumbnail), "links": links}


def in_crs(document: Document, crs: Crs) -> Document:
    """A feature or feature collection with its geometries in another system."""
    if crs is Crs.CRS84:
        return document
    if "features" in document:
        return {**document, "features": [in_crs(each, crs) for each in document["features"]]}
    geometry = document["geometry"]
    if geometry is None:
        return document
    moved = {**document, "geometry": from_crs84(geometry, crs)}
    return {**moved, "bbox": bounds_in(document["bbox"], crs)} if "bbox" in document else moved


def item_version(tile: Tile) -> str:
    """A digest of the fields of a tile that clients see."""
    fields = tile.labels, tile.properties, tile.geometry, tile.datetime, tile.indexed_at, tile.gsd, tile.source, tile.window
    return hashlib.sha256(json.dumps(fields, sort_keys=True, default=str).encode()).hexdigest()[:32]


def item_tag(tile: Tile, document: Document) -> str:
    """The entity tag of the `feature` of a tile: its version, then a digest of the links, which differ between clients."""
    links = json.dumps(document["links"]).encode()
    return f'"{item_version(tile)}-{hashlib.sha256(links).hexdigest()[:8]}"'


def is_version(tag: str, tile: Tile) -> bool:
    """Whether an entity tag is of the current version of a tile, for any client."""
    return tag.strip('"').partition("-")[0] == item_version(tile)


def feature_collection(
    features: list[dict[str, Any]], matched: int, links: list[dict[str, Any]], **more: Any
) -> dict[str, Any]:
    """A page of features, with the counts under the names of Dyad and of OGC API Features."""
    counts = {
        "number_matched": matched,
        "number_returned": len(features),
        "numberMatched": matched,
        "numberReturned": len(features),
    }
    return {"type": "FeatureCollection", **counts, **more, "links": links, "features": features}
