"""Evaluate embeddings by a protocol: retrieval, clustering and confusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.clustering import Clustering, kmeans_clustering
from models.evaluation.metrics.neighbours import Confusion, knn_confusion, retrieval_confusion
from models.evaluation.metrics.ranking import CHUNK, Embeddings, Indices, Neighbours, nearest
from models.evaluation.metrics.relevance import LabelSets
from models.evaluation.metrics.retrieval import NEIGHBOURS, RetrievalReport, retrieval_metrics
from models.evaluation.protocols import Protocol, Selection
from models.evaluation.report.pictures import Retrieved


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Results. protocol, selection: of the evaluation. retrieval: of the test queries. clustering: k-means on the test
    embeddings. knn: confusion of k-NN classification with 10 neighbours. retrieved: confusion of the classes of the 10 nearest.
    neighbours: the 10 nearest, rows of `selection.database`."""

    protocol: Protocol
    selection: Selection
    retrieval: RetrievalReport
    clustering: Clustering
    knn: Confusion
    retrieved: Confusion
    neighbours: Neighbours

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "protocol": asdict(self.protocol),
            "retrieval": self.retrieval.to_dict(),
            "clustering": self.clustering.to_dict(),
            "knn_confusion": self.knn.to_dict(),
            "retrieval_confusion": self.retrieved.to_dict(),
        }


def evaluate(
    embeddings: Embeddings,
    labels: ArrayLike,
    protocol: Protocol,
    train: Indices,
    test: Indices,
    *,
    sets: LabelSets | None = None,
    ks: Sequence[int] = (5, 10, 50, 100, 1000),
    seed: int = 0,
    chunk: int = CHUNK,
) -> Evaluation:
    """Measure (N, D) L2-normalised embeddings of N labels by a protocol. train, test: indices; seed: of k-means.

    sets: label sets of the N items, for retrieval; `labels` then has one label of each for clustering and confusion.

    Raises:
        EvaluationError: the labels do not fit, the protocol cannot be applied, or no query has a relevant item.
    """
    names = np.asarray(labels)
    if names.shape != (len(embeddings),) or (sets is not None and len(sets) != len(embeddings)):
        raise EvaluationError(f"labels of shape {names.shape} for {len(embeddings)} embeddings")
    chosen = protocol.selection(train, test)
    queries, database, own = embeddings[chosen.queries], embeddings[chosen.database], chosen.own
    wanted, stored = names[chosen.queries], names[chosen.database]
    both = (wanted, stored) if sets is None else (sets.take(chosen.queries), sets.take(chosen.database))
    retrieval = retrieval_metrics(
        queries, both[0], database, both[1], exclude_self=own is not None, own=own, ks=ks, chunk=chunk
    )
    found = nearest(queries, database, NEIGHBOURS, own=own, chunk=chunk)
    return Evaluation(
        protocol,
        chosen,
        retrieval,
        kmeans_clustering(queries, wanted, seed=seed),
        knn_confusion(found, wanted, stored),
        retrieval_confusion(found, wanted, stored),
        found,
    )


def examples(evaluation: Evaluation, labels: ArrayLike, count: int = 6) -> list[Retrieved]:
    """Typical queries of `count` classes, from the worst retrieved class to the best: of each the query of median precision.

    labels: (N,), as given to `evaluate`.
    """
    names = np.asarray(labels)
    found = evaluation.selection.database[evaluation.neighbours.indices]
    wanted = names[evaluation.selection.queries]
    precision = (names[found] == wanted[:, np.newaxis]).mean(axis=1)
    classes = sorted(set(wanted.tolist()), key=lambda name: float(precision[wanted == name].mean()))
    places = np.unique(np.linspace(0, len(classes) - 1, min(count, len(classes))).round().astype(int))
    rows = [_median_row(np.flatnonzero(wanted == classes[place]), precision) for place in places]
    return [
        Retrieved(
            int(evaluation.selection.queries[row]), str(wanted[row]), found[row].tolist(), [str(n) for n in names[found[row]]]
        )
        for row in rows
    ]


def _median_row(rows: NDArray[np.intp], precision: NDArray[np.float64]) -> int:
    return int(rows[np.argsort(precision[rows], kind="stable")[len(rows) // 2]])
