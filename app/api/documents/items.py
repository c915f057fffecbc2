"""Documents of items: tiles as GeoJSON features."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from app.api.documents.base import GEOJSON, In, Link, link
from app.api.links import Place
from app.domain.geometry import GeoJSON
from app.domain.metadata import Labels
from app.domain.temporal import format_instant
from app.domain.tiles import Tile


class HrefIngest(In):
    """JSON body of `POST /collections/{id}/items`: a path on the server, a STAC item or a URL."""

    href: str = Field(min_length=1, max_length=4096, examples=["/data/scenes/T33UVP.tif"])


class ItemPatch(In):
    """Body of `PATCH /collections/{id}/items/{item_id}`."""

    labels: Labels | None = Field(default=None, description="Replaces the labels of the tile")
    properties: dict[str, Any] | None = Field(
        default=None, description="Merged into the properties of the tile; null removes a property"
    )


class FeaturePublic(BaseModel):
    """A tile as a GeoJSON feature; `geometry` is null for a tile that is not georeferenced."""

    type: str = "Feature"
    id: str
    geometry: GeoJSON | None
    properties: dict[str, Any]
    links: list[Link]
    near_copies: list[str] | None = Field(
        default=None, description="Items that `diversify` merged into this result because they show the same place"
    )


class RerankPublic(BaseModel):
    """How a search was re-ranked: the first `depth` candidates, with `weight` for the score of the pairwise model."""

    depth: int
    weight: float
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
        description="Rank of the last likely match; absent if the model gives no match probabilities",
    )
    warnings: list[str] | None = Field(
        default=None, description="Remarks on the uploaded image: what was assumed, and what makes it unlike the tiles"
    )


def feature(tile: Tile, here: Place, **more: Any) -> dict[str, Any]:
    """A tile as a GeoJSON feature. `here`: URL of its collection. `more`: properties that come before the stored fields."""
    record = {
        "labels": list(tile.labels),
        "datetime": None if tile.datetime is None else format_instant(tile.datetime),
        "file_name": tile.file_name,
        "source": tile.source,
        "window": None if tile.window is None else str(tile.window),
        "gsd": tile.gsd,
        "indexed_at": format_instant(tile.indexed_at),
    }
    thumbnail = here.picture(tile.id, "thumbnail")  # also a property: a GIS shows attributes but no links
    links = [
        link(thumbnail, "thumbnail", "image/jpeg"),
        link(f"{here.url}/items/{tile.id}", "self", GEOJSON),
        link(here.picture(tile.id, "image"), "enclosure", "image/*"),
    ]
    properties = {"thumbnail": thumbnail, **tile.properties, **more, **record}
    return {"type": "Feature", "id": tile.id, "geometry": tile.geometry, "properties": properties, "links": links}


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
