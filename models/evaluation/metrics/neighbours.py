"""k-NN classification, and confusion matrices of k-NN and of retrieval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.ranking import Neighbours
from models.evaluation.metrics.retrieval import majority


@dataclass(frozen=True, slots=True)
class Confusion:
    """A confusion matrix.

    names: the C classes, sorted. counts: (C, C) intp, a row for the class of the query, a column for the class found.
    """

    names: tuple[str, ...]
    counts: NDArray[np.intp]

    @property
    def shares(self) -> NDArray[np.float64]:
        """(C, C), rows sum to 1; a class without queries has a row of zeros."""
        totals = self.counts.sum(axis=1, keepdims=True)
        return np.asarray(self.counts / np.maximum(totals, 1), dtype=np.float64)

    def worst(self, count: int = 10) -> list[tuple[str, str, float]]:
        """The largest shares off the diagonal, above 0: (class of the query, class found, share)."""
        shares = self.shares
        np.fill_diagonal(shares, 0)
        order = np.argsort(-shares, axis=None, kind="stable")[:count]
        places = zip(*np.unravel_index(order, shares.shape), strict=True)
        return [
            (self.names[row], self.names[column], float(shares[row, column])) for row, column in places if shares[row, column]
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"names": list(self.names), "counts": self.counts.tolist()}


def knn_predictions(neighbours: Neighbours, database_labels: ArrayLike) -> NDArray[Any]:
    """(Q,) labels by majority vote of the query's neighbours; ties go to the class with the nearest neighbour."""
    names, numbers = np.unique(np.asarray(database_labels), return_inverse=True)
    return np.asarray(names[majority(numbers[neighbours.indices], len(names))])


def knn_confusion(neighbours: Neighbours, query_labels: ArrayLike, database_labels: ArrayLike) -> Confusion:
    """Confusion of k-NN classification: one count for each query."""
    predictions = knn_predictions(neighbours, database_labels)
    return _count(np.asarray(query_labels), predictions[:, np.newaxis])


def retrieval_confusion(neighbours: Neighbours, query_labels: ArrayLike, database_labels: ArrayLike) -> Confusion:
    """Confusion of the retrieved classes, figure 11 of the residual-dyad paper: K counts per query, P@K on the diagonal."""
    return _count(np.asarray(query_labels), np.asarray(database_labels)[neighbours.indices])


def _count(labels: NDArray[Any], found: NDArray[Any]) -> Confusion:
    """labels: (Q,). found: (Q, K) of the same kind."""
    if labels.shape != (len(found),):
        raise EvaluationError(f"labels of shape {labels.shape} for {len(found)} queries")
    names = np.unique(np.concatenate([labels, found.ravel()]))
    counts = np.zeros((len(names), len(names)), dtype=np.intp)
    np.add.at(counts, (np.searchsorted(names, labels)[:, np.newaxis], np.searchsorted(names, found)), 1)
    return Confusion(tuple(str(name) for name in names), counts)
