"""What a search asks for and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.domain.geometry import Region
from app.domain.temporal import Interval
from app.domain.tiles import Tile

MAX_LIMIT = 1000
DEFAULT_LIMIT = 10


@dataclass(frozen=True, slots=True)
class TileFilter:
    """Which tiles qualify; every given part must hold.

    region: the tile's footprint intersects it (tiles without a place never do).
    interval: the acquisition time lies in it (tiles without a time never do).
    labels: the tile has any of them.
    ids: the tile is one of them (an empty tuple matches nothing, None everything).
    exclude_ids: the tile is none of them.
    sources: it came from one of these sources.
    """

    region: Region | None = None
    interval: Interval | None = None
    labels: tuple[str, ...] = ()
    ids: tuple[str, ...] | None = None
    exclude_ids: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether every tile qualifies."""
        return self == TileFilter()


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a ranking was left: the last hit's score and id, and how many hits came before (a hint, not an offset)."""

    score: float
    id: str
    seen: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A tile and its cosine similarity to the query, in [-1, 1]."""

    tile: Tile
    score: float


@dataclass(frozen=True, slots=True)
class Shortlist:
    """M places of a ranking as arrays, the most similar first; the tiles' records are read when they are asked for.

    ids: M. similarities: (M,) float64 cosines in [-1, 1]. pairs: (M, P) uint8 stored pair halves, None unless all have one.
    read: the tile at a row.
    """

    ids: list[str]
    similarities: NDArray[np.float64]
    pairs: NDArray[np.uint8] | None
    read: Callable[[int], Tile]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A search by examples. Ranks by the Rocchio direction of the examples (see docs/search.md)."""

    positives: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    filter: TileFilter = field(default_factory=TileFilter)
    limit: int = DEFAULT_LIMIT
    after: Cursor | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A page of hits in rank order (score descending, then id ascending).

    rank_offset: how many hits came on earlier pages. matched: tiles that qualify. after: cursor of the next page or None.
    timings_ms: decode, embed, search, rerank, total.
    """

    hits: list[Hit]
    matched: int
    rank_offset: int
    after: Cursor | None
    model: str
    index_version: str
    timings_ms: dict[str, float]
