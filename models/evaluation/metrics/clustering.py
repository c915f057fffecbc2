"""Agreement of k-means clusters of the embeddings with the classes (HR-S2DML, equations 8 and 9)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]
from sklearn.cluster import KMeans  # type: ignore[import-untyped]
from sklearn.metrics import normalized_mutual_info_score  # type: ignore[import-untyped]

from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.ranking import Embeddings

RESTARTS = 10
"""Runs of k-means from different starts; the one with the least inertia is used."""


@dataclass(frozen=True, slots=True)
class Clustering:
    """nmi: normalised mutual information, eq. 8. acc: share of items in the cluster of their class, eq. 9. Both 0..1."""

    clusters: int
    nmi: float
    acc: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def kmeans_clustering(embeddings: Embeddings, labels: ArrayLike, *, seed: int = 0, restarts: int = RESTARTS) -> Clustering:
    """Cluster (N, D) embeddings into as many clusters as there are classes among N labels, and compare.

    Raises:
        EvaluationError: the labels are not as many as the embeddings, or they name fewer than two classes.
    """
    classes = np.asarray(labels)
    if embeddings.ndim != 2 or classes.shape != (len(embeddings),):
        raise EvaluationError(f"labels of shape {classes.shape} for embeddings of shape {embeddings.shape}")
    count = len(np.unique(classes))
    if count < 2:
        raise EvaluationError("clustering needs items of at least two classes")
    clusters = KMeans(count, n_init=restarts, random_state=seed).fit_predict(embeddings)
    return Clustering(count, float(normalized_mutual_info_score(classes, clusters)), clustering_accuracy(classes, clusters))


def clustering_accuracy(labels: ArrayLike, clusters: NDArray[np.integer[Any]]) -> float:
    """ACC, eq. 9: share of correct items under the best assignment of classes to clusters (Hungarian method)."""
    _, classes = np.unique(np.asarray(labels), return_inverse=True)
    _, groups = np.unique(clusters, return_inverse=True)
    together = np.zeros((groups.max() + 1, classes.max() + 1), dtype=np.intp)
    np.add.at(together, (groups, classes), 1)
    rows, columns = linear_sum_assignment(together, maximize=True)
    return float(together[rows, columns].sum() / len(classes))
