"""Evaluation of heads on a fold of labelled tiles that they did not learn, against chance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluation.metrics.ranking import ranks_of
from models.evaluation.metrics.retrieval import average_precision
from models.heads.fitting.fit_head import Examples
from models.heads.linear_head import Head

MOST_QUERIES, MOST_RANKED = 200, 1500
"""Maximum numbers of queries of a fold, and of labelled and of unlabelled tiles that they rank."""
STAND_INS = 4
"""Number of random label sets of a query that show what chance gives."""


class FoldEvaluation:
    """Tiles of a fold query all labelled tiles of other places and a sample of the unlabelled ones.

    Labelled tiles that share a label are relevant, unlabelled ones are not. The ranked labelled tiles may have been learned: a
    head that only packs the tiles of each label together, right or wrong, raises the average precision of every query, also
    that of labels drawn at random. Only what exceeds these was learned about the query. queries: (Q,) labelled rows, those with
    a relevant tile.
    """

    def __init__(
        self, examples: Examples, fold: NDArray[np.intp], places: NDArray[np.integer[Any]], random: np.random.Generator
    ) -> None:
        """fold: labelled rows. places: (L,) place of each labelled row."""
        known = np.sort(random.permutation(len(examples.targets))[:MOST_RANKED])
        others = random.permutation(len(examples.unlabelled))[:MOST_RANKED]
        drawn = np.sort(random.permutation(fold)[:MOST_QUERIES])
        hidden = places[drawn][:, None] == places[known]
        shared = _share_label(examples.targets[drawn], examples.targets[known]) & ~hidden
        has_relevant = shared.any(axis=1)
        self.queries, self._hidden = drawn[has_relevant], hidden[has_relevant]
        self._relevant = _rows(shared[has_relevant])
        targets = examples.targets[self.queries]
        self._stand_ins = [
            _rows(_share_label(targets[random.permutation(len(targets))], examples.targets[known]) & ~self._hidden)
            for _ in range(STAND_INS)
        ]
        self._asking = examples.labelled[self.queries]
        self._ranked = np.concatenate([examples.labelled[known], examples.unlabelled[others]])

    def __call__(self, head: Head) -> NDArray[np.float64]:
        """(2, Q): average precision of each query, and how much it exceeds the mean of its random label sets."""
        distances = -head.project(self._asking) @ head.project(self._ranked).T
        distances[:, : self._hidden.shape[1]][self._hidden] = np.inf
        ordered = np.sort(distances, axis=1)

        def precisions(relevant: list[NDArray[np.intp]]) -> NDArray[np.float64]:
            rankings = zip(distances, ordered, relevant, strict=True)
            return np.array(
                [average_precision(ranks_of(*each)) if len(each[2]) else np.nan for each in rankings], dtype=np.float64
            )

        own = precisions(self._relevant)
        chance = np.array([precisions(rows) for rows in self._stand_ins])
        return np.stack([own, own - _mean_of_known(chance)])


def _share_label(some: NDArray[np.bool_], others: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(Q, N) whether two tiles share a label. some: (Q, C), others: (N, C)."""
    return np.asarray(some.astype(np.float32) @ others.T.astype(np.float32) > 0)


def _rows(relevant: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """The ranked rows that are relevant to each query. relevant: (Q, N)."""
    return [np.flatnonzero(each) for each in relevant]


def _mean_of_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(Q,) means over the first axis without NaN; 0 where all are NaN."""
    known = ~np.isnan(values)
    return np.asarray(np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))
