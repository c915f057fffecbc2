"""Which items are relevant to which query: those of its label, itself excepted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.evaluation.errors import EvaluationError
from models.evaluation.ranking import Indices, RankedChunk, Ranks, ranks_of


@dataclass(frozen=True, slots=True)
class Relevance:
    """names: (C,), all labels, sorted. wanted: (Q,), stored: (N,) intp, the numbers of each query's and each item's among them.
    members: for each label its items. own: (Q,), the row of the database that each query is, or None."""

    names: NDArray[Any]
    wanted: NDArray[np.intp]
    stored: NDArray[np.intp]
    members: tuple[NDArray[np.intp], ...]
    own: Indices | None

    def of(self, query: int) -> NDArray[np.intp]:
        """(G,) rows of the database, ascending."""
        members = self.members[self.wanted[query]]
        return members if self.own is None else np.asarray(members[members != self.own[query]])

    def ranks(self, chunk: RankedChunk) -> Iterator[tuple[int, Ranks]]:
        """The queries of a chunk to which something is relevant, and the places of it in their rankings."""
        for query, (distance, order) in enumerate(zip(chunk.distances, chunk.ordered, strict=True), chunk.start):
            relevant = self.of(query)
            if len(relevant):
                yield query, ranks_of(distance, order, relevant)


def relevance(query_labels: ArrayLike, database_labels: ArrayLike, queries: int, items: int, own: Indices | None) -> Relevance:
    """Compare the labels of Q queries and N items.

    Raises:
        EvaluationError: there are not as many labels.
    """
    wanted, stored = np.asarray(query_labels), np.asarray(database_labels)
    if wanted.shape != (queries,) or stored.shape != (items,):
        raise EvaluationError(f"labels of shape {wanted.shape} and {stored.shape} for {queries} queries and {items} items")
    names, numbers = np.unique(np.concatenate([wanted, stored]), return_inverse=True)
    members = tuple(np.flatnonzero(numbers[queries:] == label) for label in range(len(names)))
    return Relevance(names, numbers[:queries], numbers[queries:], members, own)
