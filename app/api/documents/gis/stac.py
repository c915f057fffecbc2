"""What makes documents of the API valid STAC 1.1: the members of catalogue, collections and items that other standards lack."""

from __future__ import annotations

from collections.abc import Sequence

from app.api.documents.base import GEOJSON, Document, link
from app.api.links import Place
from app.domain.places.geometry import Bounds, footprint_bounds
from app.domain.temporal import format_instant
from app.domain.tiles import Tile
from app.services.catalogue.items import media_type

STAC_VERSION = "1.1.0"
LICENSE = "other"
"""STAC requires a licence; Dyad does not know that of the imagery."""
CONFORMANCE = tuple(
    f"https://api.stacspec.org/v1.0.0/{name}"
    for name in (
        "core",
        "collections",
        "ogcapi-features",
        "ogcapi-features#fields",
        "ogcapi-features#sort",
        "ogcapi-features#filter",
        "item-search",
        "item-search#fields",
        "item-search#sort",
        "item-search#filter",
        "item-search#query",
    )
)
PROJECTION = "https://stac-extensions.github.io/projection/v1.2.0/schema.json"
"""The last version with `proj:epsg`, which GDAL reads, beside `proj:code`."""
RASTER = "https://stac-extensions.github.io/raster/v2.0.0/schema.json"
_EPOCH = "1970-01-01T00:00:00Z"
_REMOTE = ("http://", "https://", "s3://", "gs://", "az://")


def item_members(tile: Tile, here: Place, *, image: str | None, thumbnail: str | None) -> Document:
    """Members of an item beside those of GeoJSON. here: URL of its collection. image, thumbnail: URLs of its pictures, None for
    a tile without an image."""
    extensions, about_image = ([], {}) if image is None else _extended(tile)
    found: Document = {"stac_version": STAC_VERSION, "stac_extensions": extensions, "collection": here.collection}
    if tile.geometry is not None:
        found["bbox"] = bbox_of(footprint_bounds(tile.geometry))
    return {**found, "assets": _assets(tile, image, thumbnail, about_image)}


def item_times(tile: Tile) -> Document:
    """The time of an item. Without one STAC requires an interval: until the tile was indexed."""
    if tile.datetime is not None:
        return {"datetime": format_instant(tile.datetime)}
    return {"datetime": None, "start_datetime": _EPOCH, "end_datetime": format_instant(tile.indexed_at)}


def item_links(here: Place, item_id: str) -> list[Document]:
    """The links of an item to itself and the documents above it."""
    return [
        link(f"{here.url}/items/{item_id}", "self", GEOJSON),
        link(here.url, "collection"),
        link(here.url, "parent"),
        link(f"{here.base}/", "root"),
    ]


def bands_of(bands: Sequence[int | str]) -> list[Document]:
    """Chosen bands, numbers or names, as the band objects of STAC 1.1."""
    return [{"name": str(band)} for band in bands]


def bbox_of(bounds: Bounds) -> list[float]:
    """West, south, east, north in -180..180; west > east crosses the antimeridian."""
    if bounds.east - bounds.west >= 360:
        return [-180.0, bounds.south, 180.0, bounds.north]
    return [bounds.west, bounds.south, bounds.east - 360 if bounds.east > 180 else bounds.east, bounds.north]


def _assets(tile: Tile, image: str | None, thumbnail: str | None, about_image: Document) -> Document:
    if image is None or thumbnail is None:
        return {}
    assets: Document = {
        "image": {
            "href": image,
            "type": media_type(tile.image),
            "roles": ["data"],
            "title": "Pixels of the tile",
            **about_image,
        },
        "thumbnail": {
            "href": thumbnail,
            "type": "image/jpeg",
            "roles": ["thumbnail"],
            "title": "Thumbnail",
        },
    }
    if tile.source.startswith(_REMOTE):
        assets["source"] = {"href": tile.source, "roles": ["data"], "title": "The scene that the tile is a window of"}
    return assets


def _extended(tile: Tile) -> tuple[list[str], Document]:
    """The extensions that describe the image of a tile, and their members of the asset."""
    grid = tile.grid
    if grid is None:
        return [], {}
    projection = {
        "proj:code": f"EPSG:{grid.epsg}",
        "proj:epsg": grid.epsg,
        "proj:shape": [grid.height, grid.width],
        "proj:bbox": list(grid.bounds),
        "proj:transform": list(grid.transform),
    }
    if tile.gsd is None:
        return [PROJECTION], projection
    return [PROJECTION, RASTER], {**projection, "raster:spatial_resolution": tile.gsd}
