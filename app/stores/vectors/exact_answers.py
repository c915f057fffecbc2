"""Searches, pages, counts and facets over an `Engine`: adds the order of ties, cursors and regions.

Results are as exact as the engine. Scores are rounded to 6 decimals, the precision of float32, so that all engines give the
same order; equal scores are ordered by id. An engine may cut a run of equal scores anywhere, so hits with the lowest score are
used only after more hits were fetched. Ids are ranked first; records are fetched for the page only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.domain.places.geometry import Bounds, Region
from app.domain.queries.cql2.indexed import narrowed
from app.domain.queries.search import Cursor, Hit, Shortlist, TileFilter
from app.domain.temporal import Interval, parse_instant
from app.ports import Extent, Page
from app.stores.vectors.batched_reads import read_batches
from app.stores.vectors.conditions import Where, without_region
from app.stores.vectors.index_protocol import Engine
from app.stores.vectors.payload import (
    BOUNDS_FIELDS,
    DATETIME_INDEX,
    EMBEDDING_FIELD,
    PAIR_FIELD,
    RECORD_FIELDS,
    Payload,
    pairs_of,
    to_tile,
)
from app.stores.vectors.regions import Reach, inside_and_edge, meets, near, overlapping

MAX_REFINED = 10_000
_CHUNK = 1000
# Extra hits, to find the end of a run of equal scores.
_SLACK = 16
_FEW = 100


def search(
    engine: Engine, vector: NDArray[np.float32], *, limit: int, tile_filter: TileFilter, after: Cursor | None
) -> list[Hit]:
    """See `VectorStore.search`."""
    found = _search(engine, vector, limit, tile_filter, after, RECORD_FIELDS)
    return [Hit(to_tile(point, payload), score) for score, point, payload in found]


def shortlist(
    engine: Engine,
    vector: NDArray[np.float32],
    *,
    limit: int,
    tile_filter: TileFilter,
    after: Cursor | None,
    pairs: bool,
    embeddings: bool,
) -> Shortlist:
    """See `VectorStore.shortlist`."""
    wanted = [name for name, is_wanted in ((PAIR_FIELD, pairs), (EMBEDDING_FIELD, embeddings)) if is_wanted]
    found = _search(engine, vector, limit, tile_filter, after, [*RECORD_FIELDS, *wanted])
    rows = [payload[EMBEDDING_FIELD] for _, _, payload in found] if embeddings else None
    return Shortlist(
        ids=[point for _, point, _ in found],
        similarities=np.array([score for score, _, _ in found], np.float64),
        pairs=pairs_of([payload for _, _, payload in found]) if pairs else None,
        read=lambda row: to_tile(*found[row][1:]),
        embeddings=None if rows is None else np.array(rows, np.float32).reshape(len(rows), len(vector)),
    )


_Found = tuple[float, str, Payload]
"""Score, id, payload."""


def _search(
    engine: Engine,
    vector: NDArray[np.float32],
    limit: int,
    tile_filter: TileFilter,
    after: Cursor | None,
    fields: Sequence[str],
) -> list[_Found]:
    # Dropping a few hits is faster than a filter by id, which the engine evaluates for every point.
    excluded = frozenset(tile_filter.exclude_ids if len(tile_filter.exclude_ids) <= _FEW else ())
    tile_filter = narrowed(tile_filter)
    rest, region = without_region(replace(tile_filter, exclude_ids=()) if excluded else tile_filter), tile_filter.region
    needed = limit + len(excluded) + (after.seen if after else 0)
    plan = _Plan(rest, needed + _SLACK)
    if region is not None:
        plan = _plan(engine, rest, near(region, reach(engine)) & rest, needed)
    known: dict[str, Payload | None] = {}
    while True:
        wanted = plan.wanted if plan.wanted <= _CHUNK else min(plan.wanted, engine.size() + 1)
        if wanted <= needed + _FEW:
            ranked, read = engine.search_records(vector, wanted, plan.where, fields)
        else:
            ranked, read = engine.search(vector, wanted, plan.where), {}
        is_all = len(ranked) < wanted
        behind = _behind([hit for hit in _ordered(ranked, is_all=is_all) if hit[1] not in excluded], after)
        found = _first_accepted(engine, behind, limit, tile_filter, known, fields, read)
        if len(found) == limit or is_all:
            return found
        plan = plan.next or _Plan(plan.where, wanted * (2 if tile_filter.expression is None else 4) + 64)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Rank `wanted` points that match `where`; if too few of them qualify, continue with `next`, or with more points."""

    where: Where
    wanted: int
    next: _Plan | None = None


def _plan(engine: Engine, rest: Where, narrowed: Where, needed: int) -> _Plan:
    """Choose: filter by the region first, or, if many tiles match it, rank all tiles and test the best.

    narrowed: `rest` and the part of the region filter that the engine can evaluate. needed: number of qualifying hits.
    """
    first = _Plan(narrowed, needed + _SLACK)
    left = engine.estimate(narrowed)
    share = left / max(1, engine.estimate(rest))
    likely = int(needed / max(share, 1e-3) * 1.5)
    # If the engine's estimate is far too high, the first ranking finds too few hits, and filtering is fast.
    return _Plan(rest, likely * 2 + 3 * _SLACK, first) if likely * engine.look_cost < left else first


def scroll(engine: Engine, *, limit: int, tile_filter: TileFilter, after: str | None) -> Page:
    """See `VectorStore.scroll`."""
    tile_filter = narrowed(tile_filter)
    where = _necessary(engine, tile_filter)
    chunk = max(limit + 2, 64 if _is_tested(tile_filter) else 0)
    chunk = max(chunk, _CHUNK) if tile_filter.expression is not None else chunk
    found: list[tuple[str, Payload]] = []
    for rows in _batches(engine, where, chunk, after, RECORD_FIELDS):
        kept = _kept(tile_filter, rows)
        found += [row for row, keep in zip(rows, kept, strict=True) if keep]
        if len(found) > limit:
            break
    tiles = [to_tile(*row) for row in found[:limit]]
    return Page(tiles, tiles[-1].id if len(found) > limit and tiles else None)


def count(engine: Engine, tile_filter: TileFilter) -> int:
    """See `VectorStore.count`."""
    if tile_filter.expression is not None:
        return sum(1 for _ in _accepted(engine, tile_filter, RECORD_FIELDS))
    rest = without_region(tile_filter)
    if tile_filter.region is None:
        return engine.count(rest)
    inside, edge = inside_and_edge(tile_filter.region, reach(engine))
    total = 0 if inside is None else engine.count(inside & rest)
    on_edge = _refined(engine, tile_filter.region, edge & rest, RECORD_FIELDS)
    if on_edge is None:
        return total + engine.count(overlapping(tile_filter.region.bounds) & edge & rest)
    return total + len(on_edge)


def facet(engine: Engine, key: str, *, tile_filter: TileFilter, limit: int) -> list[tuple[str, int]]:
    """See `VectorStore.facet`."""
    rest = without_region(tile_filter)
    counts: Counter[str] = Counter()
    if tile_filter.expression is not None:
        for payload in _accepted(engine, tile_filter, [*RECORD_FIELDS, key]):
            counts.update(_values(payload, key))
    elif tile_filter.region is None:
        counts.update(engine.facet(key, rest))
    else:
        inside, edge = inside_and_edge(tile_filter.region, reach(engine))
        if inside is not None:
            counts.update(engine.facet(key, inside & rest))
        on_edge = _refined(engine, tile_filter.region, edge & rest, [*RECORD_FIELDS, key])
        if on_edge is None:
            counts.update(engine.facet(key, overlapping(tile_filter.region.bounds) & edge & rest))
        for payload in on_edge or ():
            counts.update(_values(payload, key))
    # + drops zero counts: engines keep values that no point has
    return sorted((+counts).items(), key=lambda item: (-item[1], item[0]))[:limit]


def extent(engine: Engine) -> Extent:
    """See `VectorStore.extent`; reads the ends of six sorted indexes."""
    ends = [engine.first_value(key, descending=key in ("east", "north")) for key in BOUNDS_FIELDS]
    first, last = (engine.first_value(DATETIME_INDEX, descending=descending) for descending in (False, True))
    interval = None if first is None or last is None else Interval(parse_instant(first), parse_instant(last))
    return Extent(None if None in ends else Bounds(*map(float, ends)), interval)  # type: ignore[arg-type]


def reach(engine: Engine) -> Reach | None:
    """The largest half width and half height of any tile; None if no tile has a geometry."""
    lon, lat = (engine.first_value(key, descending=True) for key in ("half_width", "half_height"))
    return None if lon is None or lat is None else Reach(float(lon), float(lat))


def _necessary(engine: Engine, tile_filter: TileFilter) -> Where:
    rest = without_region(tile_filter)
    return rest if tile_filter.region is None else near(tile_filter.region, reach(engine)) & rest


def _ordered(ranked: Sequence[tuple[str, float]], *, is_all: bool) -> list[tuple[float, str]]:
    hits = sorted((-round(score, 6), point) for point, score in ranked)
    return hits if is_all or not hits else [hit for hit in hits if hit[0] < hits[-1][0]]


def _behind(hits: list[tuple[float, str]], after: Cursor | None) -> list[tuple[float, str]]:
    return hits if after is None else [hit for hit in hits if hit > (-after.score, after.id)]


def _first_accepted(
    engine: Engine,
    ranked: list[tuple[float, str]],
    limit: int,
    tile_filter: TileFilter,
    known: dict[str, Payload | None],
    fields: Sequence[str],
    read: dict[str, Payload],
) -> list[_Found]:
    """The first `limit` hits that the filter accepts.

    known: records of earlier rounds (None: not accepted), updated. read: records that were read already.
    """
    found: list[_Found] = []
    start = 0
    while start < len(ranked) and len(found) < limit:
        chunk = ranked[start : start + max(limit - len(found), 32 if _is_tested(tile_filter) else 1)]
        start += len(chunk)
        missing = [point for _, point in chunk if point not in known]
        new = {point: read[point] for point in missing if point in read}
        if len(new) < len(missing):
            new |= engine.retrieve([point for point in missing if point not in new], fields)
        kept = _kept(tile_filter, list(new.items()))
        known.update({point: payload if keep else None for (point, payload), keep in zip(new.items(), kept, strict=True)})
        records = ((score, point, known.get(point)) for score, point in chunk)
        found += [(0.0 - score, point, payload) for score, point, payload in records if payload is not None]
    return found[:limit]


def _is_tested(tile_filter: TileFilter) -> bool:
    """Whether records must be read to know whether they qualify."""
    return tile_filter.region is not None or tile_filter.expression is not None


def _kept(tile_filter: TileFilter, rows: Sequence[tuple[str, Payload]]) -> Sequence[bool]:
    """Whether each of the points that the engine found qualifies."""
    region, expression = tile_filter.region, tile_filter.expression
    kept = [True] * len(rows) if region is None else meets(region, [payload for _, payload in rows]).tolist()
    if expression is None:
        return kept
    return [keep and expression.accepts(to_tile(*row)) for keep, row in zip(kept, rows, strict=True)]


def _accepted(engine: Engine, tile_filter: TileFilter, fields: Sequence[str]) -> Iterator[Payload]:
    """Payloads of all qualifying tiles, by id."""
    tile_filter = narrowed(tile_filter)
    for rows in _batches(engine, _necessary(engine, tile_filter), _CHUNK, None, fields):
        yield from (payload for (_, payload), keep in zip(rows, _kept(tile_filter, rows), strict=True) if keep)


def _values(payload: Payload, key: str) -> list[str]:
    """The values of a keyword field."""
    values = payload.get(key) or []
    return [values] if isinstance(values, str) else list(values)


def _batches(
    engine: Engine, where: Where, size: int, after: str | None, fields: Sequence[str]
) -> Iterator[list[tuple[str, Payload]]]:
    """All points after the id `after`, by id, in lists of about `size`."""
    return read_batches(lambda start: engine.scroll(size, start, where, fields), size, after)


def _refined(engine: Engine, region: Region, where: Where, fields: Sequence[str]) -> list[Payload] | None:
    """Payloads of the tiles that meet the region; None if more than `MAX_REFINED` tiles would have to be tested."""
    found: list[Payload] = []
    for number, rows in enumerate(_batches(engine, where, _CHUNK, None, fields)):
        if number == 0 and len(rows) == _CHUNK and engine.count(where) > MAX_REFINED:
            return None
        payloads = [payload for _, payload in rows]
        found += [payload for payload, keep in zip(payloads, meets(region, payloads), strict=True) if keep]
    return found
