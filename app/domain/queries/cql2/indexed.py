"""Conditions of an expression that the index evaluates, as fields of a `TileFilter`, so that fewer tiles are tested."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.domain.places.geometry import parse_bbox, parse_region
from app.domain.queries.cql2.values import FIRST, LAST, as_time, literal
from app.domain.queries.search import TileFilter
from app.domain.temporal import Interval
from app.errors import InvalidInput

_BEGINS = ("=", ">", ">=", "t_after", "t_during", "t_equals", "t_intersects")
_ENDS = ("=", "<", "<=", "t_before", "t_during", "t_equals", "t_intersects")
"""Operators that give an interval its start and its end."""


def narrowed(tile_filter: TileFilter) -> TileFilter:
    """The same filter with conditions on time, place and labels that its expression implies, where it has none itself."""
    if tile_filter.expression is None:
        return tile_filter
    found = tile_filter
    for condition in _conjuncts(tile_filter.expression.json):
        found = _with(found, condition)
    return found


def _conjuncts(node: Any) -> list[dict[str, Any]]:
    if not isinstance(node, dict):
        return []
    if str(node.get("op")).lower() == "and":
        return [each for arg in node["args"] for each in _conjuncts(arg)]
    return [node]


def _with(found: TileFilter, condition: dict[str, Any]) -> TileFilter:
    op, args = str(condition.get("op")).lower(), condition.get("args") or [None]
    name = args[0].get("property") if isinstance(args[0], dict) else None
    name = name.removeprefix("properties.") if isinstance(name, str) else None
    if len(args) != 2:
        return found
    value = args[1]
    if name == "labels" and found.labels == ():
        labels = [value] if op == "=" and isinstance(value, str) else value if op in ("in", "a_overlaps") else []
        if isinstance(labels, list) and labels and all(isinstance(each, str) and each for each in labels):
            return replace(found, labels=tuple(dict.fromkeys(labels)))
    if name == "geometry" and op in ("s_intersects", "s_within") and found.region is None and _is_place(value):
        return replace(found, region=parse_bbox(value["bbox"]) if "bbox" in value else parse_region(value))
    if name == "datetime" and found.interval is None:
        interval = _interval(op, value)
        return found if interval is None else replace(found, interval=interval)
    return found


def _is_place(value: Any) -> bool:
    return isinstance(value, dict) and ("bbox" in value or "type" in value)


def _interval(op: str, value: Any) -> Interval | None:
    """A closed interval that contains all times that fulfil the condition."""
    try:
        ends = as_time(literal(value) if isinstance(value, dict) else value)
    except InvalidInput:
        return None
    if ends is None:
        return None
    start = ends[0] if op in _BEGINS and ends[0] != FIRST else None
    end = ends[1] if op in _ENDS and ends[1] != LAST else None
    return None if start is None and end is None else Interval(start, end)
