"""Filter conditions independent of the engine; each adapter translates them to the types of its engine."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.queries.search import TileFilter
from app.domain.temporal import Interval, format_instant


@dataclass(frozen=True, slots=True)
class Between:
    """A number field lies in the closed range; None is an open end."""

    key: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class During:
    """A time field lies in the closed interval of RFC 3339 instants; None is an open end."""

    key: str
    start: str | None
    end: str | None


@dataclass(frozen=True, slots=True)
class AnyOf:
    """A keyword field holds one of the values."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IdIn:
    """The point's id is one of these."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PointIn:
    """A geo point field lies in the box; degrees, west <= east, all within -180..180 and -90..90."""

    key: str
    west: float
    south: float
    east: float
    north: float


@dataclass(frozen=True, slots=True)
class Where:
    """All of `must` hold, none of `never`, and at least one of `some` unless it is empty (Qdrant: must, must_not, should)."""

    must: tuple[Condition, ...] = ()
    some: tuple[Condition, ...] = ()
    never: tuple[Condition, ...] = ()

    def __and__(self, other: Where) -> Where:
        if EVERYTHING in (self, other):
            return other if self == EVERYTHING else self
        return Where(must=(self, other))


Condition = Between | During | AnyOf | IdIn | PointIn | Where
EVERYTHING = Where()


def without_region(tile_filter: TileFilter) -> Where:
    """The conditions of a filter without its region."""
    must: list[Condition] = []
    if tile_filter.interval is not None:
        must.append(_during(tile_filter.interval))
    if tile_filter.labels:
        must.append(AnyOf("labels", tile_filter.labels))
    if tile_filter.sources:
        must.append(AnyOf("source", tile_filter.sources))
    if tile_filter.ids is not None:
        must.append(IdIn(tile_filter.ids))
    never = (IdIn(tile_filter.exclude_ids),) if tile_filter.exclude_ids else ()
    return Where(must=tuple(must), never=never)


def _during(interval: Interval) -> During:
    ends = (None if end is None else format_instant(end) for end in (interval.start, interval.end))
    return During("datetime", *ends)
