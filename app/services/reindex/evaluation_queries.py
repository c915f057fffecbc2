"""Evaluation queries: held-out labelled tiles. A search for one should find the tiles that share a label with it.

Tile ids are digests, so the first ids in their order are a random sample, and always the same one.
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
    """Held-out labelled tiles. ids, labels: of each tile. queries: the first `queries` tiles are searched for; each of these
    shares a label with another tile.
    """

    ids: tuple[str, ...]
    labels: tuple[frozenset[str], ...]
    queries: int

    def only(self, existing: Container[str]) -> EvaluationQueries:
        """The same without tiles that are not in `existing`."""
        return _ordered({item: own for item, own in zip(self.ids, self.labels, strict=True) if item in existing})


def draw_evaluation_queries(vectors: VectorStore, index: str) -> EvaluationQueries:
    """Choose the evaluation queries of an index, and the tiles among which they search."""
    found: dict[str, frozenset[str]] = {}
    values = tuple(value for value, _ in vectors.facet(index, "labels", filter=TileFilter(), limit=ALL_LABELS))
    after, is_last = None, not values
    while not is_last and len(found) < MAX_TILES:
        page = vectors.scroll(index, limit=PAGE, filter=TileFilter(labels=values), after=after)
        found.update({tile.id: frozenset(tile.labels) for tile in page.tiles if is_held_out(tile.id)})
        after, is_last = page.after, page.after is None
    return _ordered(dict(list(found.items())[:MAX_TILES]))


def mean_average_precision(queries: EvaluationQueries, rows: Rows) -> float:
    """Mean average precision, 0..1, of the queries; each ranks all other tiles by cosine. rows: L2-normalised, of all tiles."""
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
    """Embeddings of the tiles that exist, read in small batches because each call holds the interpreter lock."""
    rows: Rows = {}
    for start in range(0, len(ids), BATCH):
        part = list(ids[start : start + BATCH])
        try:
            rows.update(zip(part, vectors.retrieve_vectors(index, part).embedding, strict=True))
        except NotFound:  # a tile has just been deleted
            there = [item for item in part if item in vectors.retrieve(index, part)]
            rows.update(zip(there, vectors.retrieve_vectors(index, there).embedding, strict=True))
    return rows


def _ordered(labels: dict[str, frozenset[str]]) -> EvaluationQueries:
    """Order tiles so that those that share a label with another come first. labels: by tile id."""
    ids, own = list(labels), list(labels.values())
    has_like = _relevance(own, range(len(own))).any(axis=1)
    order = [*np.flatnonzero(has_like), *np.flatnonzero(~has_like)]
    return EvaluationQueries(
        tuple(ids[at] for at in order), tuple(own[at] for at in order), min(int(has_like.sum()), MAX_QUERIES)
    )


def _relevance(labels: Sequence[frozenset[str]], queries: Sequence[int]) -> NDArray[np.bool_]:
    """(Q, N) bool: whether two tiles share a label; False for a tile and itself."""
    columns = {label: column for column, label in enumerate(sorted(frozenset().union(*labels)))}
    has = np.zeros((len(labels), len(columns)), np.float32)
    for row, own in enumerate(labels):
        has[row, [columns[label] for label in own]] = 1
    shared: NDArray[np.bool_] = has[list(queries)] @ has.T > 0
    shared[np.arange(len(queries)), list(queries)] = False
    return shared
