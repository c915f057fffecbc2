"""Shortlists of queries with all terms of the fused score. Weights and calibration are learned on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.evaluation.metrics.calibration import ScoredPairs
from models.evaluation.metrics.ranking import Embeddings, Indices, Neighbours
from models.evaluation.metrics.relevance import Labels, relevance
from models.evaluation.metrics.rerank import (
    NEIGHBOURS,
    WEIGHTS,
    RerankReport,
    Scores,
    Weights,
    fuse,
    shortlist_overlaps,
    two_stage,
)


@dataclass(frozen=True, slots=True)
class RankedShortlists:
    """Q queries and the first K places of their rankings of N items.

    queries: (Q, D), database: (N, D), L2-normalised, with their labels. shortlist: of `ranking.nearest`. log_odds: (Q, K) of
    the matcher, None without one. overlaps: (Q, K) of the neighbourhoods. own: (Q,), rows of the queries in the database.
    """

    queries: Embeddings
    query_labels: Labels
    database: Embeddings
    database_labels: Labels
    shortlist: Neighbours
    log_odds: Scores | None
    overlaps: Scores
    own: Indices | None = None

    @classmethod
    def of(
        cls,
        queries: Embeddings,
        query_labels: Labels,
        database: Embeddings,
        database_labels: Labels,
        shortlist: Neighbours,
        log_odds: Scores | None = None,
        own: Indices | None = None,
    ) -> RankedShortlists:
        """Shortlists of these arrays; computes the overlaps."""
        overlaps = shortlist_overlaps(queries, database, shortlist)
        return cls(queries, query_labels, database, database_labels, shortlist, log_odds, overlaps, own)

    @property
    def depth(self) -> int:
        """K."""
        return int(self.shortlist.indices.shape[1])

    @property
    def matches(self) -> NDArray[np.bool_]:
        """(Q, K): whether the item at a place shares a label with the query."""
        related = relevance(self.query_labels, self.database_labels, len(self.queries), len(self.database), self.own)
        rows = [related.is_relevant(query, items) for query, items in enumerate(self.shortlist.indices)]
        return np.array(rows, np.bool_).reshape(self.shortlist.indices.shape)

    def scores(self, weights: Weights) -> Scores:
        """(Q, K) fused scores."""
        return fuse(self.shortlist.similarities, self.log_odds, weights, self.overlaps)

    def pairs(self, weights: Weights, places: int | None = None) -> ScoredPairs:
        """The fused scores of every query with each of its first `places`; None: all."""
        first = slice(None, places)
        return ScoredPairs(self.scores(weights)[:, first].ravel(), self.matches[:, first].ravel())

    def report(self, weights: Sequence[Weights] | None = None) -> RerankReport:
        """Quality of the fused rankings by weights. None: the grid of `WEIGHTS` and `NEIGHBOURS`.

        Raises:
            EvaluationError: no query has a relevant item.
        """
        return two_stage(
            self.queries,
            self.query_labels,
            self.database,
            self.database_labels,
            self.shortlist,
            self.log_odds,
            overlaps=self.overlaps,
            weights=weight_grid(has_matcher=self.log_odds is not None) if weights is None else weights,
            own=self.own,
        )


def weight_grid(*, has_matcher: bool, also: Weights | None = None) -> list[Weights]:
    """The weights that are tried, and `also`, sorted. Without a matcher its weight is 0."""
    matcher = (0.0, *WEIGHTS) if has_matcher else (0.0,)
    grid = {Weights(weight, neighbours) for weight in matcher for neighbours in NEIGHBOURS}
    return sorted(grid if also is None else {*grid, also})
