"""A ranking by similarity, processed in blocks and returned in pages.

The second stage re-orders the first block; with `diversify`, near-copies are folded within each block. Later blocks are ordered
by similarity. The bookmark of a page contains the block in which it ended and the end of that block, so that tiles added or
deleted between two requests do not move other tiles from one page to another, unless they change the neighbourhoods of
re-ranked ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.domain.queries.search import Bookmark, Cursor, Match, Shortlist, TileFilter
from app.ports import VectorStore
from app.services.search.near_copies import fold
from app.services.search.rerank import STEP, Judgement, matches_end
from app.services.search.timer import Timer

MIN_FOLDED, MAX_FOLDED = 200, 1000
"""Limits of the number of candidates that are folded at once, `FOLDED_PER_RESULT` times the page size."""
FOLDED_PER_RESULT = 25
MOST_GROWN = 8
"""A block that has grown to this many times its size between two requests is cut there."""
Judge = Callable[[Shortlist], Judgement | None]
"""Scores the first candidates; None if they have no candidate features."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A ranking. vector: (D,) float32, L2-normalised. depth: number of candidates that `judge` scores, 0 for none.

    pairs, embeddings: whether it needs candidate features and embeddings. diversify: fold near-copies. other_dates: as in
    `fold`.
    """

    index: str
    vector: NDArray[np.float32]
    filter: TileFilter
    depth: int = 0
    judge: Judge | None = None
    pairs: bool = False
    embeddings: bool = False
    diversify: bool = False
    other_dates: bool = True
    min_probability: float | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of results.

    after: where the next page begins, None after the last page. depth: number of re-ranked candidates of all pages.
    matches_end_at: as in `SearchResult`. kept: total number of tiles above `min_probability`, None without one.
    """

    matches: list[Match]
    after: Bookmark | None
    depth: int
    matches_end_at: int | None
    kept: int | None


@dataclass(frozen=True, slots=True)
class _Place:
    """A result. rows: of the block, first the tile that is shown, then its near-copies."""

    score: float
    id: str
    probability: float | None
    rows: list[int]


@dataclass(frozen=True, slots=True)
class _Block:
    """A block of the ranking. found: tiles by similarity. places: results in rank order. mark: bookmark of the block's start,
    with its ends. kept: as in `Page`.
    """

    found: Shortlist
    places: list[_Place]
    is_last: bool
    mark: Bookmark
    kept: int | None = None

    def match(self, place: _Place) -> Match:
        row, *copies = place.rows
        ids = tuple(self.found.ids[copy] for copy in copies)
        return Match(self.found.read(row), place.score, float(self.found.similarities[row]), place.probability, ids)


class Pages:
    """Makes pages of rankings over a vector store."""

    def __init__(self, vectors: VectorStore) -> None:
        self._vectors = vectors

    def page(self, asked: Asked, limit: int, mark: Bookmark, timer: Timer) -> Page:
        """Up to `limit` matches after a bookmark; a new bookmark is before the first match."""
        matches: list[Match] = []
        while True:
            block = self._block(asked, mark, limit - len(matches), timer)
            shown = block.places if mark.last is None else [place for place in block.places if _is_behind(place, mark.last)]
            taken = shown[: limit - len(matches)]
            with timer.stage("search"):
                matches += [block.match(place) for place in taken]
            mark = replace(block.mark, seen=mark.seen + len(taken))
            after: Bookmark | None = mark
            if len(taken) < len(shown):
                after = replace(mark, last=(taken[-1].score, taken[-1].id))
            elif block.is_last:
                after = None
            else:
                mark = after = replace(mark, start=mark.end, last=None, judged=None, end=None)
            if after is None or after.last is not None or len(matches) == limit:
                return Page(matches, after, mark.depth, mark.matches_end_at, block.kept)

    def _block(self, asked: Asked, mark: Bookmark, wanted: int, timer: Timer) -> _Block:
        judge = asked.judge if mark.start is None else None
        folded = min(max(FOLDED_PER_RESULT * wanted, MIN_FOLDED), MAX_FOLDED) if asked.diversify else 0
        size = max(asked.depth if judge else 0, folded) or wanted
        with timer.stage("search"):
            found, is_last = self._gather(asked, mark, size, is_judged=judge is not None)
        with timer.stage("rerank"):
            return _arranged(asked, mark, found, is_last, judge)

    def _gather(self, asked: Asked, mark: Bookmark, size: int, *, is_judged: bool) -> tuple[Shortlist, bool]:
        """The candidates of a block and whether it is the last: `size` candidates, or all up to the end in the bookmark."""
        limit = size + 1
        while True:
            found = self._first(asked, limit, mark.start, is_judged=is_judged)
            if mark.end is None:
                return found.head(size), len(found) <= size
            inside = _count_until(found, mark.end)
            if inside < limit or limit > MOST_GROWN * size:
                return found.head(inside), inside == len(found) < limit
            limit *= 2

    def _first(self, asked: Asked, limit: int, after: Cursor | None, *, is_judged: bool) -> Shortlist:
        if is_judged and (asked.pairs or asked.embeddings):
            return self._vectors.shortlist(
                asked.index,
                asked.vector,
                limit=limit,
                filter=asked.filter,
                after=after,
                pairs=asked.pairs,
                embeddings=asked.embeddings,
            )
        return Shortlist.of(self._vectors.search(asked.index, asked.vector, limit=limit, filter=asked.filter, after=after))


def _arranged(asked: Asked, mark: Bookmark, found: Shortlist, is_last: bool, judge: Judge | None) -> _Block:
    """Make a block from candidates: re-rank, cut by probability and fold near-copies, as requested."""
    judged, kept = None, None
    if judge is not None:
        count = min(asked.depth, len(found)) if mark.judged is None else _count_until(found, mark.judged)
        verdict = judge(found.head(count))
        judged = None if verdict is None else _by_judgement(found, verdict, is_all=is_last and count == len(found))
        ended = _cursor(mark, found, count)
        mark = replace(mark, depth=0) if judged is None else replace(mark, judged=ended, shift=judged.shift)
    places = _by_similarity(found, 0, mark.shift) if judged is None else judged.places
    if asked.min_probability is not None:
        places = [each for each in places if each.probability is not None and each.probability >= asked.min_probability]
        is_last, kept = True, len(places)
    if asked.diversify:
        places = _folded(found, places, other_dates=asked.other_dates)
    if judged is not None:
        likely = judged.likely
        mark = replace(mark, matches_end_at=None if likely is None else sum(each.rows[0] in likely for each in places))
    return _Block(found, places, is_last, replace(mark, end=_cursor(mark, found, len(found))), kept)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A re-ranked block. places: re-ranked results in their new order, then the others. likely: rows of likely matches, None
    if the matches do not end within the block. shift: as in `Bookmark`.
    """

    places: list[_Place]
    likely: frozenset[int] | None
    shift: float


def _by_judgement(found: Shortlist, verdict: Judgement, *, is_all: bool) -> _Judged:
    """Order the candidates of the verdict by its scores, and put the others behind them.

    Scores of the others are lowered by `shift`, unless they are below those of all judged candidates already.
    """
    scores = verdict.scores.tolist()
    order = sorted(range(len(scores)), key=lambda row: (-scores[row], found.ids[row]))
    likely, chances = None, [None] * len(scores)
    if verdict.probabilities is not None:
        end, chances = matches_end(verdict.probabilities[order], is_all), verdict.probabilities.tolist()
        likely = None if end is None else frozenset(order[:end])
    places = [_Place(scores[row], found.ids[row], chances[row], [row]) for row in order]
    shift = 0.0
    if scores:
        worst, last = order[-1], len(scores) - 1
        nearest = float(found.similarities[last])
        if (-scores[worst], found.ids[worst]) > (-nearest, found.ids[last]):
            shift = nearest - scores[worst] + STEP
    return _Judged(places + _by_similarity(found, len(scores), shift), likely, round(shift, 6))


def _by_similarity(found: Shortlist, start: int, shift: float) -> list[_Place]:
    """The candidates from row `start` on, in order of similarity."""
    scores = np.round(found.similarities[start:] - shift, 6).tolist()
    return [_Place(score, found.ids[row], None, [row]) for row, score in enumerate(scores, start)]


def _folded(found: Shortlist, places: list[_Place], *, other_dates: bool) -> list[_Place]:
    groups = fold([found.read(place.rows[0]) for place in places], other_dates=other_dates)
    return [replace(places[group[0]], rows=[places[row].rows[0] for row in group]) for group in groups]


def _cursor(mark: Bookmark, found: Shortlist, count: int) -> Cursor | None:
    """The position in the ranking after the first `count` candidates."""
    if count == 0:
        return mark.start
    before = 0 if mark.start is None else mark.start.seen
    return Cursor(float(found.similarities[count - 1]), found.ids[count - 1], before + count)


def _count_until(found: Shortlist, end: Cursor) -> int:
    """Number of candidates up to and including the position `end`."""
    return sum(end.reaches(score, point) for score, point in zip(found.similarities.tolist(), found.ids, strict=True))


def _is_behind(place: _Place, last: tuple[float, str]) -> bool:
    return (-place.score, place.id) > (-last[0], last[1])
