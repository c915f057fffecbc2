"""Domain values to the documents that clients see, links and all."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse

from app.api.documents.schemas import (
    CollectionPublic,
    ExtentPublic,
    IndexPublic,
    JobPublic,
    Link,
    SpatialExtent,
    TemporalExtent,
)
from app.api.links import Place
from app.domain.geometry import Bounds
from app.domain.jobs import Job, JobStatus
from app.domain.search import Match, SearchResult
from app.domain.temporal import Interval, format_instant
from app.domain.tiles import Tile
from app.services.catalogue.collections import CollectionInfo
from app.services.training.evaluation import KIND as EVALUATE

GEOJSON = "application/geo+json"
JSON = "application/json"
Document = dict[str, Any]


class GeoJSONResponse(JSONResponse):
    """JSON of a media type that a GIS knows."""

    media_type = GEOJSON


def base_url(request: Request) -> str:
    """The address of the service as the client wrote it, without a slash at its end."""
    return str(request.base_url).rstrip("/")


def link(href: str, rel: str, type: str = JSON, **more: Any) -> dict[str, Any]:
    """A link as a plain dict, for documents that are not validated on the way out."""
    return {"href": href, "rel": rel, "type": type, **more}


def page_links(request: Request, type: str = JSON) -> list[dict[str, Any]]:
    """`self` and `root` of any document."""
    return [link(str(request.url), "self", type), link(f"{base_url(request)}/", "root")]


def next_link(request: Request, token: str) -> dict[str, Any]:
    """The same GET with another token."""
    parameters = [(key, value) for key, value in request.query_params.multi_items() if key != "token"]
    query = urlencode([*parameters, ("token", token)])
    return link(str(request.url.replace(query=query)), "next", GEOJSON)


def collection_document(info: CollectionInfo, base: str) -> CollectionPublic:
    """A collection with its links."""
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
        Link(href=f"{here}/items", rel="items", type=GEOJSON),
        Link(href=f"{here}/search", rel="search", type=GEOJSON),
        Link(href=f"{base}/models/{info.live.model}", rel="model", type=JSON),
        Link(href=f"{here}/indexes", rel="indexes", type=JSON),
    ]
    extent = ExtentPublic(spatial=_spatial(info.bounds), temporal=_temporal(info.interval))
    return CollectionPublic(**collection.model_dump(), item_count=info.size, extent=extent, index=index, links=links)


def _spatial(bounds: Bounds | None) -> SpatialExtent | None:
    if bounds is None:
        return None
    whole = bounds.east - bounds.west >= 360
    west, east = (-180.0, 180.0) if whole else (bounds.west, bounds.east - 360 if bounds.east > 180 else bounds.east)
    return SpatialExtent(bbox=[[west, bounds.south, east, bounds.north]])


def _temporal(interval: Interval | None) -> TemporalExtent:
    ends = (None, None) if interval is None else (interval.start, interval.end)
    return TemporalExtent(interval=[[None if end is None else format_instant(end) for end in ends]])


def feature(tile: Tile, here: Place, **more: Any) -> dict[str, Any]:
    """A tile as a GeoJSON feature; `here` is its collection's place, `more` are properties that come first."""
    record = {
        "labels": list(tile.labels),
        "datetime": None if tile.datetime is None else format_instant(tile.datetime),
        "file_name": tile.file_name,
        "source": tile.source,
        "window": None if tile.window is None else str(tile.window),
        "gsd": tile.gsd,
        "indexed_at": format_instant(tile.indexed_at),
    }
    thumbnail = here.picture(tile.id, "thumbnail")  # also a property: a GIS shows attributes, and knows nothing of links
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
    """A page of features; the counts are written Dyad's way and OGC's."""
    counts = {
        "number_matched": matched,
        "number_returned": len(features),
        "numberMatched": matched,
        "numberReturned": len(features),
    }
    return {"type": "FeatureCollection", **counts, **more, "links": links, "features": features}


def search_document(result: SearchResult, here: Place, links: list[Document]) -> Document:
    """A page of search results; `here` is the collection's place."""
    features = [_match_feature(match, rank, here) for rank, match in enumerate(result.hits, result.rank_offset + 1)]
    more: Document = {"model": result.model, "index_version": result.index_version, "timings_ms": result.timings_ms}
    more["rerank"] = None if result.reranking is None else _given(**asdict(result.reranking))
    return feature_collection(features, result.matched, links, **more, **_given(matches_end_at=result.matches_end_at))


def _match_feature(match: Match, rank: int, here: Place) -> Document:
    scores = {"score": round(match.score, 6), "similarity": round(match.similarity, 6)}
    chance = None if match.probability is None else round(match.probability, 6)
    found = feature(match.tile, here, rank=rank, **scores, **_given(match_probability=chance))
    return {**found, "near_copies": list(match.near_copies)} if match.near_copies else found


def _given(**values: Any) -> Document:
    """Those that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def job_document(job: Job, base: str) -> JobPublic:
    """A job's status document."""
    here = f"{base}/jobs/{job.id}"
    links = [Link(href=here, rel="self", type=JSON), Link(href=f"{here}/events", rel="monitor", type="text/event-stream")]
    if job.status is JobStatus.SUCCESSFUL:
        links.append(Link(href=f"{here}/results", rel="http://www.opengis.net/def/rel/ogc/1.0/results", type=JSON))
        if job.kind == EVALUATE:
            links.append(Link(href=f"{here}/report", rel="report", type="text/html"))
    if job.collection:
        links.append(Link(href=f"{base}/collections/{job.collection}", rel="collection", type=JSON))
    fields = job.model_dump(exclude={"kind", "inputs", "result", "error"})
    return JobPublic(**fields, jobID=job.id, processID=job.kind, links=links)
