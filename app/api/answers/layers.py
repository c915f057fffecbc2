"""Saved searches as layers: the search of a stored body, combined with the filters of a request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shapely.geometry import mapping

from app.api.documents.search import SearchRequest
from app.api.params import parse_search
from app.container import Container
from app.domain.places.geometry import Region
from app.domain.queries.cql2.expression import parse_expression
from app.domain.queries.saved_searches import SavedSearch
from app.domain.queries.search import SearchQuery, TileFilter
from app.domain.temporal import Interval, format_instant


def saved_query(container: Container, search: SavedSearch) -> SearchQuery:
    """The query of a saved search, on its index version while that is kept."""
    query = parse_search(SearchRequest.model_validate(search.query))
    return replace(query, index_version=container.saved_searches.version(search))


def combined(one: TileFilter, other: TileFilter) -> TileFilter:
    """A filter that accepts the tiles that both accept."""
    conditions: list[Any] = [each.expression.json for each in (one, other) if each.expression is not None]
    region = one.region or other.region
    if one.region is not None and other.region is not None:
        conditions.append({"op": "s_intersects", "args": [{"property": "geometry"}, _geojson(other.region)]})
    interval = one.interval or other.interval
    if one.interval is not None and other.interval is not None:
        conditions.append({"op": "t_intersects", "args": [{"property": "datetime"}, _literal(other.interval)]})
    labels = one.labels or other.labels
    if one.labels and other.labels:
        conditions.append({"op": "a_overlaps", "args": [{"property": "labels"}, list(other.labels)]})
    ids = one.ids if other.ids is None else other.ids
    if one.ids is not None and other.ids is not None:
        known = {*other.ids}
        ids = tuple(item for item in one.ids if item in known)
    expression = None if not conditions else parse_expression({"op": "and", "args": conditions})
    return replace(one, region=region, interval=interval, labels=labels, ids=ids, expression=expression)


def _geojson(region: Region) -> dict[str, Any]:
    bounds = region.bounds
    if bounds.east > 180:  # a box over the antimeridian
        return {"bbox": [bounds.west, bounds.south, bounds.east - 360, bounds.north]}
    return dict(mapping(region.geometry))


def _literal(interval: Interval) -> dict[str, Any]:
    ends = (interval.start, interval.end)
    return {"interval": [".." if end is None else format_instant(end) for end in ends]}
