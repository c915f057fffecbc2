"""Queries and results of searches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.domain.places.geometry import Region
from app.domain.queries.cql2.expression import Expression
from app.domain.temporal import Interval
from app.domain.tiles import Tile

MAX_LIMIT = 1000
DEFAULT_LIMIT = 10


@dataclass(frozen=True, slots=True)
class TileFilter:
    """A filter of tiles; all given conditions must hold.

    region: the tile's footprint intersects it; tiles without a place do not qualify.
    interval: contains the acquisition time; tiles without a time do not qualify.
    labels: the tile has any of them.
    ids: contains the tile's id (an empty tuple matches nothing, None everything).
    exclude_ids: does not contain the tile's id.
    sources: contains the tile's source.
    expression: accepts the tile.
    """

    region: Region | None = None
    interval: Interval | None = None
    labels: tuple[str, ...] = ()
    ids: tuple[str, ...] | None = None
    exclude_ids: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    expression: Expression | None = None

    @property
    def is_empty(self) -> bool:
        """Whether every tile qualifies."""
        return self == TileFilter()


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in a ranking by similarity: score and id of the last hit. seen: number of hits so far (a hint, not an
    offset).
    """

    score: float
    id: str
    seen: int

    def reaches(self, score: float, item_id: str) -> bool:
        """Whether a hit is before or at this position."""
        return (-score, item_id) <= (-self.score, self.id)


@dataclass(frozen=True, slots=True)
class Hit:
    """A tile and its cosine similarity to the query, in [-1, 1]."""

    tile: Tile
    score: float


@dataclass(frozen=True, slots=True)
class Shortlist:
    """M candidates in order of similarity, as arrays; the records of tiles are read on request.

    ids: M ids. similarities: (M,) float64 cosines in [-1, 1]. pairs: (M, P) uint8 candidate features, None unless all have
    them. read: reads the tile of a row. embeddings: (M, D) float32, None unless they were requested.
    """

    ids: list[str]
    similarities: NDArray[np.float64]
    pairs: NDArray[np.uint8] | None
    read: Callable[[int], Tile]
    embeddings: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, hits: Sequence[Hit]) -> Shortlist:
        """Make a shortlist of hits, without candidate features."""
        similarities = np.array([hit.score for hit in hits], np.float64)
        return cls([hit.tile.id for hit in hits], similarities, None, lambda row: hits[row].tile)

    def head(self, count: int) -> Shortlist:
        """The first `count` candidates."""
        pairs = None if self.pairs is None else self.pairs[:count]
        embeddings = None if self.embeddings is None else self.embeddings[:count]
        return Shortlist(self.ids[:count], self.similarities[:count], pairs, self.read, embeddings)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class RerankWish:
    """The request of a search for re-ranking. Either `depth` or `budget_ms` may be given.

    wanted: None for the default of the model card and the collection. depth: number of candidates, None for the card's.
    budget_ms: time budget in milliseconds, from which the depth is estimated.
    """

    wanted: bool | None = None
    depth: int | None = None
    budget_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Bookmark:
    """The end of a page of results. The ranking by similarity is processed in blocks, each with an order of its own.

    seen: number of results on this page and those before. version: of the index. start: position after which the block begins,
    None for the top. last: score and id of the last returned result of the block, None for none. judged, end: position of the
    last re-ranked candidate and of the last candidate of the block; None before the first result of the block is returned.
    depth: number of candidates to re-rank, 0 for none. shift: subtracted from the similarities of all later candidates, so that
    scores descend. matches_end_at: as in `SearchResult`.
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
class SceneExample:
    """A window of a scene, in the archive or not. href: path or URL of the scene or of a STAC Item. place: the window."""

    href: str
    place: Region


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A search by examples: ranks by the Rocchio direction of the examples, and re-ranks the first results (docs/search.md).

    places, not_places: regions that are further positives and negatives; scenes, not_scenes: windows of scenes that are.
    vector: an embedding that is a positive.
    min_probability: 0..1, results below it are removed. diversify: show one result per place. other_dates: with `diversify`,
    also for tiles of different dates. index_version: None for the live index. explain: show where results match.
    """

    positives: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    filter: TileFilter = field(default_factory=TileFilter)
    limit: int = DEFAULT_LIMIT
    after: Bookmark | None = None
    rerank: RerankWish = field(default_factory=RerankWish)
    min_probability: float | None = None
    diversify: bool = False
    other_dates: bool = True
    index_version: str | None = None
    explain: bool = False
    places: tuple[Region, ...] = ()
    not_places: tuple[Region, ...] = ()
    scenes: tuple[SceneExample, ...] = ()
    not_scenes: tuple[SceneExample, ...] = ()
    vector: tuple[float, ...] | None = None


Grid = tuple[tuple[float, ...], ...]
"""h rows of w numbers in 0..1, north or the top of the image first."""


@dataclass(frozen=True, slots=True)
class MatchPlaces:
    """Where two tiles match: how well each place of the query, and each place of the candidate, is matched by the other."""

    query: Grid
    candidate: Grid


@dataclass(frozen=True, slots=True)
class Match:
    """A search result.

    score: determines the rank. similarity: cosine to the query's direction. probability: match probability, 0..1, which ascends
    with the score; None if unknown. near_copies: ids of near-copies folded into it, in rank order. places: where it matches the
    first example, None unless requested.
    """

    tile: Tile
    score: float
    similarity: float
    probability: float | None = None
    near_copies: tuple[str, ...] = ()
    places: MatchPlaces | None = None


@dataclass(frozen=True, slots=True)
class Reranking:
    """How a search was re-ranked. depth: number of candidates. weight: of the log-odds in the score. neighbours: of the
    neighbourhood overlap, None if it is not used. budget_ms: if requested.
    """

    depth: int
    weight: float
    neighbours: float | None = None
    budget_ms: float | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A page of matches in rank order (score descending, then id ascending).

    rank_offset: number of matches on earlier pages. matched: number of qualifying tiles. after: where the next page begins,
    None after the last page. reranking: None if not re-ranked. matches_end_at: rank of the last result with a probability of
    at least 0.5, 0 for none, None if unknown. warnings: about the uploaded image and `explain`, for the user. timings_ms:
    decode, embed, search, rerank, total.
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
    warnings: tuple[str, ...] = ()
