"""Documents of saved searches, as resources and as OGC collections."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from app.api.documents.base import GEOJSON, JSON, Document, In, Link, link
from app.api.documents.catalogue.collections import collection_document
from app.api.documents.gis.stac import LICENSE, STAC_VERSION
from app.api.documents.search import SearchRequest
from app.domain.places.crs import Crs
from app.domain.queries.saved_searches import SavedSearch
from app.services.catalogue.collections import CollectionInfo

TILES = "tiles/WebMercatorQuad"
MVT = "application/vnd.mapbox-vector-tile"


class SavedSearchRequest(SearchRequest):
    """Body of `POST /collections/{id}/searches`: a search, and its title."""

    title: str = Field(default="", max_length=256)


class SavedSearchPublic(BaseModel):
    """A saved search. `index_version` and `model`: of the index on which it was saved; `pinned`: whether that index is kept, so
    that the ranking does not change; `current_index_version`: of the collection now.
    """

    id: str
    title: str
    collection: str
    query: dict[str, Any]
    has_image: bool
    model: str
    index_version: str
    pinned: bool
    current_index_version: str
    common_with_current: int | None = Field(
        default=None,
        description="How many of the first 10 results the current index has among its first 10; null if it is the same index",
    )
    created: datetime
    links: list[Link]


class SavedSearchList(BaseModel):
    """The saved searches of a collection, the newest first."""

    searches: list[SavedSearchPublic]
    links: list[Link]


class LinkCreate(In):
    """Body of `POST /collections/{id}/links`."""

    expires_in: int = Field(default=7 * 86_400, ge=1, le=366 * 86_400, description="Seconds until the addresses expire")


class LinkPublic(BaseModel):
    """A link to a layer; `links` with its secret is in the answer to its creation only."""

    id: str
    layer: str
    expires: datetime
    created: datetime
    links: list[Link] = []


class LinkList(BaseModel):
    """The links to a layer that have not expired."""

    shared: list[LinkPublic]
    links: list[Link]


def search_links(search: SavedSearch, base: str) -> list[Link]:
    """The links of a saved search; `base` is the URL of the service."""
    here = f"{base}/collections/{search.id}"
    return [
        Link(href=f"{base}/searches/{search.id}", rel="self", type=JSON),
        Link(href=f"{base}/", rel="root", type=JSON),
        Link(href=f"{base}/collections/{search.collection}", rel="parent", type=JSON),
        Link(href=here, rel="collection", type=JSON),
        *layer_links(here),
    ]


def layer_links(here: str, query: str = "") -> list[Link]:
    """The addresses of a layer. here: URL of its collection. query: added to each, with its `?`."""
    return [
        Link(href=f"{here}/items{query}", rel="items", type=GEOJSON),
        Link(href=f"{here}/{TILES}/{{z}}/{{x}}/{{y}}.png{query}", rel="tiles", type="image/png", title="XYZ"),
        Link(href=f"{here}/{TILES}/{{z}}/{{x}}/{{y}}.mvt{query}", rel="tiles", type=MVT, title="Vector tiles"),
        Link(href=f"{here}/{TILES}/tilejson.json{query}", rel="tilejson", type=JSON),
        Link(href=f"{here}/wmts{query}", rel="wmts", type="application/xml"),
    ]


def search_collection(search: SavedSearch, base: str, info: CollectionInfo) -> Document:
    """A saved search as an OGC and STAC collection. info: its collection, whose extent it has."""
    extent = collection_document(info, base).extent.model_dump()
    here = f"{base}/collections/{search.id}"
    return {
        "id": search.id,
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "license": LICENSE,
        "title": search.title or f"Search in {search.collection}",
        "description": f"Results of a saved search in the collection {search.collection}, in the order of their rank",
        "itemType": "feature",
        "crs": list(Crs),
        "storageCrs": str(Crs.CRS84),
        "extent": extent,
        "links": [
            link(here, "self"),
            link(f"{base}/", "root"),
            link(f"{base}/collections/{search.collection}", "parent"),
            link(f"{base}/searches/{search.id}", "describedby"),
            *(each.model_dump() for each in layer_links(here)),
        ],
    }
