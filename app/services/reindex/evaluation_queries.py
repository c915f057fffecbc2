"""Golden queries: labelled tiles that no training sees, whose labels say what a search for them should find.

Ids are digests, so the first ones in their order are as good as drawn at random, and always the same.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.held_out import is_held_out
from app.domain.search import TileFilter
from app.errors import NotFound
from app.ports import VectorStore
from app.services.reindex.average_precision import average_precision

MAX_TILES, MAX_QUERIES = 2000, 300
ALL_LABELS = 1_000_000
PAGE, BATCH = 200, 50

Rows = dict[str, NDArray[np.float32]]
"""(D,) embeddings by tile id."""


@dataclass(frozen=True, slots=True)
class EvaluationQueries:
    """ids: held-out labelled tiles. labels: of each. queries: how many of them, from the first on, are searched for; each
    shares a label with another.
    """

    ids: tuple[str, ...]
    labels: tuple[frozenset[str], ...]
    queries: int

    def only(self, there: Container[str]) -> EvaluationQueries:
        """Without the tiles that are not `there`."""
        return _ordered({item: own for item, own in zip(self.ids, self.labels, strict=True) if item in there})


def draw_evaluation_queries(vectors: VectorStore, index: str) -> EvaluationQueries:
    """The queries queries of an index, and the tiles among which they look for their like."""
    found: dict[str, frozenset[str]] = {}
    values = tuple(value for value, _ in vectors.facet(index, "labels", filter=TileFilter(), limit=ALL_LABELS))
    after, is_last = None, not values
    while not is_last and len(found) < MAX_TILES:
        page = vectors.scroll(index, limit=PAGE, filter=TileFilter(labels=values), after=after)
        found.update({tile.id: frozenset(tile.labels) for tile in page.tiles if is_held_out(tile.id)})
        after, is_last = page.after, page.after is None
    return _ordered(dict(list(found.items())[:MAX_TILES]))


def mean_average_precision(queries: EvaluationQueries, rows: Rows) -> float:
    """Over the queries, each ranking all the other queries tiles by cosine. rows: of all of them, L2-normalised; in 0..1."""
    matrix = np.stack([rows[item] for item in queries.ids])
    relevance = _relevance(queries.labels, range(queries.queries))
    scores = matrix[: queries.queries] @ matrix.T
    others = np.ones(len(matrix), np.bool_)
    found = []
    for query in range(queries.queries):
        others[query] = False
        found.append(average_precision(scores[query, others], relevance[query, others]))
        others[query] = True
    return float(np.mean(found))


def read_rows(vectors: VectorStore, index: str, ids: Sequence[str]) -> Rows:
    """Embeddings of those of the tiles that are there, a few at a time: every call stops the interpreter."""
    rows: Rows = {}
    for start in range(0, len(ids), BATCH):
        part = list(ids[start : start + BATCH])
        try:
            rows.update(zip(part, vectors.retrieve_vectors(index, part).embedding, strict=True))
        except NotFound:  # one was deleted a moment ago
            there = [item for item in part if item in vectors.retrieve(index, part)]
            rows.update(zip(there, vectors.retrieve_vectors(index, there).embedding, strict=True))
    return rows


def _ordered(labels: dict[str, frozenset[str]]) -> EvaluationQueries:
    """Those with a like first. labels: by id."""
    ids, own = list(labels), list(labels.values())
    has_like = _relevance(own, range(len(own))).any(axis=1)
    order = [*np.flatnonzero(has_like), *np.flatnonzero(~has_like)]
    return EvaluationQueries(
        tuple(ids[at] for at in order), tuple(own[at] for at in order), min(int(has_like.sum()), MAX_QUERIES)
    )


def _relevance(labels: Sequence[frozenset[str]], queries: Sequence[int]) -> NDArray[np.bool_]:
    """(Q, N) bool: whether two tiles share a label; no tile is its own like."""
    columns = {label: column for column, label in enumerate(sorted(frozenset().union(*labels)))}
    has = np.zeros((len(labels), len(columns)), np.float32)
    for row, own in enumerate(labels):
        has[row, [columns[label] for label in own]] = 1
    shared: NDArray[np.bool_] = has[list(queries)] @ has.T > 0
    shared[np.arange(len(queries)), list(queries)] = False
    return shared
