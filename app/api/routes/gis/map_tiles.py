"""Map tiles: imagery of collections and similarity of saved searches, as PNG and vector tiles, with TileJSON and WMTS."""

from __future__ import annotations

import hashlib
import math
from dataclasses import astuple
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Request, Response
from jinja2 import Environment, FileSystemLoader

from app.api.access import requires
from app.api.answers.html import TEMPLATES
from app.api.answers.layers import saved_query
from app.api.answers.pictures import picture
from app.api.deps import CollectionId, ContainerDep, DatetimeQuery
from app.api.documents.base import Document, Link, base_url, page_links
from app.api.documents.gis.dates import DateCount, DateList
from app.api.documents.gis.saved_searches import MVT, TILES
from app.api.documents.gis.stac import bbox_of
from app.api.routing import checked_router
from app.container import Container
from app.domain.keys import Role
from app.domain.queries.saved_searches import SavedSearch
from app.domain.temporal import Interval, parse_interval
from app.errors import InvalidInput
from app.services.maps import similarity_png, vector_tile
from app.services.maps.colours import legend as draw_legend
from app.services.maps.colours import palette
from app.services.maps.mercator import MAX_ZOOM, MapTile
from app.services.maps.similarity_layer import SimilarityLayer
from app.services.maps.similarity_png import Aggregate, Style

PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}}, 206: {"description": "A part (`Range`)"}}
CONFORMANCE: tuple[str, ...] = ()
WORLD = [-180.0, -85.0511, 180.0, 85.0511]

SIMILARITY_FIELDS: Document = {
    "id": "similarity",
    "fields": {"id": "String", "rank": "Number", "value": "Number", "match_probability": "Number", "count": "Number"},
}
FOOTPRINT_FIELDS: Document = {"id": "footprints", "fields": {"id": "String", "datetime": "String", "count": "Number"}}

router = checked_router(prefix="/collections/{collection_id}", tags=["map tiles"])

Zoom = Annotated[int, Path(ge=0, le=MAX_ZOOM, description="Zoom")]
Column = Annotated[int, Path(ge=0, description="Column, from the west")]
Row = Annotated[int, Path(ge=0, description="Row, from the north")]
Probability = Annotated[float, Query(ge=0, le=1, description="Least value that is shown (similarity)")]
AggregateQuery = Annotated[Aggregate, Query(description="Value of a cell of several tiles (similarity)")]
Colormap = Annotated[str, Query(max_length=50, description="A colour map of matplotlib (similarity)")]


@router.get("/" + TILES + "/{z}/{x}/{y}.png", response_class=Response, responses=PNG, summary="A map tile")
@requires(Role.READ, accepts_signature=True)
def tile_png(
    collection_id: CollectionId,
    z: Zoom,
    x: Column,
    y: Row,
    request: Request,
    container: ContainerDep,
    colormap: Colormap = "viridis",
    min_probability: Probability = 0,
    opacity: Annotated[float, Query(ge=0, le=1, description="Opacity (similarity)")] = 0.8,
    aggregate: AggregateQuery = "best",
    datetime: DatetimeQuery = None,
    bands: Annotated[str | None, Query(description="One or three band numbers of the stored images (imagery)")] = None,
) -> Response:
    """The similarity of a saved search, or the imagery of a collection, as a tile of the grid WebMercatorQuad."""
    at = MapTile(z, x, y)
    search = container.saved_searches.find(collection_id)
    if search is not None:
        style = Style(colormap, min_probability, opacity, aggregate)
        palette(colormap)
        key = "png", collection_id, _state(container, search), astuple(at), astuple(style)
        data = container.maps.tiles.get(key, lambda: similarity_png.draw(_layer(container, search), at, style))
    else:
        state = container.maps.state(collection_id, None)
        interval = None if datetime is None else parse_interval(datetime)
        chosen = _bands(bands)
        key = "imagery", collection_id, state, astuple(at), (datetime, bands)
        data = container.maps.tiles.get(key, lambda: container.imagery_map.draw(state[0], at, interval, chosen))
    return picture(request, data, "image/png", _tag(key))


@router.get(
    "/" + TILES + "/{z}/{x}/{y}.mvt",
    response_class=Response,
    responses={200: {"content": {MVT: {}}}},
    summary="A vector tile",
)
@requires(Role.READ, accepts_signature=True)
def tile_mvt(
    collection_id: CollectionId,
    z: Zoom,
    x: Column,
    y: Row,
    request: Request,
    container: ContainerDep,
    min_probability: Probability = 0,
    aggregate: AggregateQuery = "best",
    datetime: DatetimeQuery = None,
) -> Response:
    """Footprints, with cells where they are too small: of the results of a saved search, with `id`, `rank`, `value` and
    `match_probability`, or of all tiles of a collection, with `id` and `datetime`.
    """
    at, style = MapTile(z, x, y), Style(min_probability=min_probability, aggregate=aggregate)
    search = container.saved_searches.find(collection_id)
    key: tuple[object, ...]
    if search is not None:
        key = "mvt", collection_id, _state(container, search), astuple(at), astuple(style)
        data = container.maps.tiles.get(key, lambda: vector_tile.encode(_layer(container, search), at, style, "similarity"))
    else:
        interval = None if datetime is None else parse_interval(datetime)
        key = "footprints", container.maps.overview_state(collection_id), astuple(at), datetime
        data = container.maps.tiles.get(key, lambda: _footprints(container, collection_id, at, interval))
    return picture(request, data, MVT, _tag(key))


@router.get("/dates", summary="Acquisition dates of a collection")
@requires(Role.READ)
def dates(collection_id: CollectionId, request: Request, container: ContainerDep) -> DateList:
    """How many tiles were acquired on each date (UTC); in a collection of more than 20 000 tiles, in each month, or in each
    year if they span more than 20 years. `undated` tiles have no date.
    """
    found, undated = container.maps.dates(collection_id)
    counts = [DateCount(date=date, count=count) for date, count in found]
    return DateList(dates=counts, undated=undated, links=[Link(**each) for each in page_links(request)])


@router.get("/" + TILES + "/tilejson.json", summary="TileJSON of a layer")
@requires(Role.READ, accepts_signature=True)
def tilejson(
    collection_id: CollectionId,
    request: Request,
    container: ContainerDep,
    format: Annotated[Literal["png", "mvt"], Query(description="Format of the tiles")] = "png",
) -> Document:
    """The address of the tiles, with their bounds and zooms (TileJSON 3.0). Other parameters of tiles can be added to it."""
    title, bounds = _described(container, collection_id)
    here = f"{base_url(request)}/collections/{collection_id}"
    document: Document = {
        "tilejson": "3.0.0",
        "name": title,
        "scheme": "xyz",
        "tiles": [f"{here}/{TILES}/{{z}}/{{x}}/{{y}}.{format}{_query(request)}"],
        "minzoom": 0,
        "maxzoom": 18,
        "bounds": bounds,
        "center": [(bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2, _zoom(bounds)],
    }
    if format == "mvt":
        is_search = container.saved_searches.find(collection_id) is not None
        document["vector_layers"] = [SIMILARITY_FIELDS if is_search else FOOTPRINT_FIELDS]
    return document


@router.get("/legend.png", response_class=Response, responses=PNG, summary="Legend of a similarity layer")
@requires(Role.READ, accepts_signature=True)
def legend(collection_id: CollectionId, request: Request, container: ContainerDep, colormap: Colormap = "viridis") -> Response:
    """The colours of the values from 0 (left) to 1 (right)."""
    container.saved_searches.get(collection_id)
    return picture(request, draw_legend(colormap), "image/png", f"legend-{colormap}")


@router.get(
    "/wmts", response_class=Response, responses={200: {"content": {"application/xml": {}}}}, summary="WMTS capabilities"
)
@requires(Role.READ, accepts_signature=True)
def wmts(
    collection_id: CollectionId,
    request: Request,
    container: ContainerDep,
    service: Annotated[str | None, Query(alias="SERVICE", description="WMTS")] = None,
    asked: Annotated[str | None, Query(alias="REQUEST", description="GetCapabilities")] = None,
    version: Annotated[str | None, Query(alias="VERSION", description="1.0.0")] = None,
    service_lower: Annotated[str | None, Query(alias="service", description="As SERVICE")] = None,
    asked_lower: Annotated[str | None, Query(alias="request", description="As REQUEST")] = None,
    version_lower: Annotated[str | None, Query(alias="version", description="As VERSION")] = None,
) -> Response:
    """The capabilities of a WMTS 1.0 with one layer, whose tiles are read by their addresses (RESTful)."""
    wanted = (asked or asked_lower or "GetCapabilities").lower(), (service or service_lower or "WMTS").lower()
    if wanted != ("getcapabilities", "wmts") or (version or version_lower or "1.0.0") != "1.0.0":
        raise InvalidInput("only REQUEST=GetCapabilities of SERVICE=WMTS 1.0.0 is answered; tiles have their own addresses")
    title, bounds = _described(container, collection_id)
    here = f"{base_url(request)}/collections/{collection_id}"
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True)
    body = environment.get_template("wmts.xml").render(
        here=here, id=collection_id, title=title, bounds=bounds, tiles=TILES, query=_query(request), zooms=range(MAX_ZOOM + 1)
    )
    return Response(body, media_type="application/xml")


def _footprints(container: Container, collection_id: str, at: MapTile, interval: Interval | None) -> bytes:
    layer = container.maps.overview(collection_id).layer
    return vector_tile.encode(layer if interval is None else layer.during(interval), at, Style(), "footprints")


def _layer(container: Container, search: SavedSearch) -> SimilarityLayer:
    query = saved_query(container, search)
    return container.maps.layer(search.id, search.collection, query, lambda: container.saved_searches.image(search))


def _state(container: Container, search: SavedSearch) -> tuple[str, int]:
    return container.maps.state(search.collection, container.saved_searches.version(search))


def _described(container: Container, collection_id: str) -> tuple[str, list[float]]:
    """Title and bounds of a layer; the world without a place."""
    search = container.saved_searches.find(collection_id)
    info = container.collections.info(collection_id if search is None else search.collection)
    title = (info.collection.title or info.collection.id) if search is None else (search.title or search.id)
    if info.bounds is None:
        return title, WORLD
    west, south, east, north = bbox_of(info.bounds)
    return title, WORLD if east < west else [west, max(south, WORLD[1]), east, min(north, WORLD[3])]


def _zoom(bounds: list[float]) -> int:
    """A zoom at which the bounds fill a part of a screen."""
    span = max(bounds[2] - bounds[0], bounds[3] - bounds[1], 1e-4)
    return min(max(int(math.log2(360 / span)) + 1, 0), 18)


def _bands(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) not in (1, 3) or not all(each.strip().isdecimal() and 0 < int(each) < 10_000 for each in parts):
        raise InvalidInput(f"bands {text[:50]!r} is not valid: send one or three band numbers, the first is 1")
    return tuple(int(each) for each in parts)


def _query(request: Request) -> str:
    """The secret of a link, for the addresses in an answer."""
    secret = request.query_params.get("link")
    return "" if secret is None else f"?link={secret}"


def _tag(key: object) -> str:
    return hashlib.sha256(repr(key).encode()).hexdigest()[:32]
