"""What a search asks for and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    """Where a ranking by similarity was left: the last hit's score and id, and how many came before (a hint, not an offset)."""

    score: float
    id: str
    seen: int

    def reaches(self, score: float, item_id: str) -> bool:
        """Whether a hit lies before this place of the ranking, or at it."""
        return (-score, item_id) <= (-self.score, self.id)


@dataclass(frozen=True, slots=True)
class Hit:
    """A tile and its cosine similarity to the query, in [-1, 1]."""

    tile: Tile
    score: float


@dataclass(frozen=True, slots=True)
class Shortlist:
    """M places of a ranking by similarity, in its order, as arrays; the tiles' records are read when they are asked for.

    ids: M. similarities: (M,) float64 cosines in [-1, 1]. pairs: (M, P) uint8 stored pair halves, None unless all have one.
    read: the tile at a row.
    """

    ids: list[str]
    similarities: NDArray[np.float64]
    pairs: NDArray[np.uint8] | None
    read: Callable[[int], Tile]

    @classmethod
    def of(cls, hits: Sequence[Hit]) -> Shortlist:
        """Hits that were read already, without pair halves."""
        similarities = np.array([hit.score for hit in hits], np.float64)
        return cls([hit.tile.id for hit in hits], similarities, None, lambda row: hits[row].tile)

    def head(self, count: int) -> Shortlist:
        """The first `count` places."""
        pairs = None if self.pairs is None else self.pairs[:count]
        return Shortlist(self.ids[:count], self.similarities[:count], pairs, self.read)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class RerankWish:
    """What a search asks of the matcher.

    wanted: None as the model's card and the collection have it. depth: candidates to look at, None for the card's number.
    budget_ms: milliseconds that it may take; the depth is then what fits. Not both.
    """

    wanted: bool | None = None
    depth: int | None = None
    budget_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Where a page of results ended. The ranking by similarity is worked through in blocks, each with an order of its own.

    seen: results on this page and those before. version: of the index. start: the place of the ranking that the block lies
    behind, None for the top. last: score and id of the last result of the block that was shown, None for none. judged, end:
    the last place of the block that the matcher looked at, and its last place at all; None while nothing of it was shown.
    depth: candidates that the matcher looks at, 0 for none. shift: taken off the similarities of all places behind those, so
    that scores descend. matches_end_at: as in `SearchResult`.
    """

    seen: int
    version: str
    start: Cursor | None = None
    last: tuple[float, str] | None = None
    judged: Cursor | None = None
    end: Cursor | None = None
    depth: int = 0
    shift: float = 0.0
    matches_end_at: int | None = None


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A search by examples. Ranks by the Rocchio direction of the examples, and re-ranks with the matcher (docs/search.md).

    min_probability: 0..1, results below are cut. diversify: near-copies are folded into the best of them. index_version: None
    for the live index.
    """

    positives: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    filter: TileFilter = field(default_factory=TileFilter)
    limit: int = DEFAULT_LIMIT
    after: Bookmark | None = None
    rerank: RerankWish = field(default_factory=RerankWish)
    min_probability: float | None = None
    diversify: bool = False
    index_version: str | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """A result.

    score: what the ranking goes by. similarity: cosine to the query's direction. probability: that it matches, 0..1, None where
    the matcher did not look. near_copies: ids folded into it, in rank order.
    """

    tile: Tile
    score: float
    similarity: float
    probability: float | None = None
    near_copies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reranking:
    """What the matcher did: looked at the first `depth` places, with `weight` in the score, in the `budget_ms` it was given."""

    depth: int
    weight: float
    budget_ms: float | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A page of matches in rank order (score descending, then id ascending).

    rank_offset: how many matches came on earlier pages. matched: tiles that qualify. after: where the next page begins, or
    None. reranking: None where the matcher did not look. matches_end_at: the rank after which it no longer believes in a match,
    0 for none at all, None where nobody can tell. timings_ms: decode, embed, search, rerank, total.
    """

    hits: list[Match]
    matched: int
    rank_offset: int
    after: Bookmark | None
    model: str
    index_version: str
    timings_ms: dict[str, float]
    reranking: Reranking | None = None
    matches_end_at: int | None = None
