"""Numbers of tiles by acquisition date; of large indexes by month or year, which are counted without reading the tiles."""

from __future__ import annotations

from datetime import MAXYEAR, UTC, datetime, timedelta

from app.domain.queries.search import TileFilter
from app.domain.temporal import Interval
from app.ports import VectorStore

MOST_MONTHS = 240
"""Longer spans are counted by year."""
MOST_YEARS = 1000
"""Years that are counted, the newest ones."""


def counts_by_interval(vectors: VectorStore, index: str) -> list[tuple[str, int]]:
    """Numbers of tiles by month (`YYYY-MM`), or by year (`YYYY`) if the tiles span more than 20 years; ascending, without empty
    ones.
    """
    span = vectors.extent(index).interval
    if span is None or span.start is None or span.end is None:
        return []
    first, last = _month(span.start), _month(span.end)
    step = 1 if last - first < MOST_MONTHS else 12
    found = list[tuple[str, int]]()
    for month in range(max(first - first % step, last - last % step - 12 * MOST_YEARS, 12), last + 1, step):
        end = None if (month + step) // 12 > MAXYEAR else _start(month + step) - timedelta(microseconds=1)
        interval = Interval(_start(month), end)
        count = vectors.count(index, TileFilter(interval=interval))
        if count:
            found.append((f"{month // 12:04}-{month % 12 + 1:02}" if step == 1 else f"{month // 12:04}", count))
    return found


def _month(time: datetime) -> int:
    utc = time.astimezone(UTC)
    return utc.year * 12 + utc.month - 1


def _start(month: int) -> datetime:
    return datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
