"""Rankings of the same queries in two indexes, over the same tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.services.reindex.judging.average_precision import average_precision
from app.services.reindex.judging.evaluation_queries import EvaluationTiles

TOP = 10
SHUFFLES = 500
"""Number of random permutations of the labels, with which the coherence is compared."""


@dataclass(frozen=True, slots=True)
class Space:
    """Embeddings for evaluation. matrices: (N, D) each, of all tiles. folds: (N,) the matrix in which a tile queries."""

    matrices: Sequence[NDArray[np.float32]]
    folds: NDArray[np.intp]

    @classmethod
    def of(cls, embeddings: NDArray[np.float32]) -> Space:
        """A single matrix for all queries."""
        return cls([embeddings], np.zeros(len(embeddings), np.intp))

    def scores(self, row: int) -> NDArray[np.float32]:
        """(N,) cosines of a query with all tiles."""
        matrix = self.matrices[self.folds[row]]
        return np.asarray(matrix @ matrix[row])


def precisions(tiles: EvaluationTiles, queries: NDArray[np.intp], space: Space) -> NDArray[np.float64]:
    """(Q,) average precision of each query among all tiles.

    Tiles that share a label with the query are relevant, tiles without a label are not. Tiles of the query's place are not
    ranked. NaN where no relevant tile is ranked.
    """
    found = np.full(len(queries), np.nan)
    for number, row in enumerate(queries.tolist()):
        ranked = tiles.candidates(row)
        relevant = tiles.relevance(row)[ranked]
        if relevant.any():
            found[number] = average_precision(space.scores(row)[ranked], relevant)
    return found


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Similarity of the rankings of two indexes. overlap: share of common results among the first, 0..1. agreement: mean
    average precision of the new ranking if the old one's first results count as relevant, 0..1. difference: mean absolute
    difference of the cosines.
    """

    overlap: float
    agreement: float
    difference: float = 0.0


def compare_neighbours(tiles: EvaluationTiles, rows: NDArray[np.intp]) -> Neighbours | None:
    """Compare the rankings of some tiles; None without any. In a small collection fewer than `TOP` results are compared."""
    top = min(TOP, max(1, (len(tiles.ids) - 1) // 3))
    overlaps, agreements, differences = [], [], []
    for row in rows.tolist() if len(tiles.ids) > 1 else ():
        others = np.arange(len(tiles.ids)) != row
        scores = [side.embeddings[others] @ side.embeddings[row] for side in (tiles.old, tiles.new)]
        first, second = (np.argsort(-each, kind="stable")[:top] for each in scores)
        overlaps.append(len(np.intersect1d(first, second)) / top)
        differences.append(float(np.abs(scores[1] - scores[0]).mean()))
        agreements.append(average_precision(scores[1], np.isin(np.arange(len(scores[0])), first)))
    if not overlaps:
        return None
    return Neighbours(float(np.mean(overlaps)), float(np.mean(agreements)), float(np.mean(differences)))


def chance_of_labels(tiles: EvaluationTiles, queries: NDArray[np.intp], space: Space) -> float:
    """The probability that random labels agree as well with the nearest labelled tiles of the queries as the labels do.

    The labels are permuted among the labelled tiles, with a fixed seed.
    """
    labelled = np.flatnonzero(tiles.is_labelled)
    position = {row: number for number, row in enumerate(labelled.tolist())}
    nearest = ((row, _nearest(tiles, row, space)) for row in queries.tolist())
    found = [(position[row], position[near]) for row, near in nearest if near is not None]
    pairs = np.array(found, np.intp).reshape(-1, 2)
    labels = tiles.labels[labelled]
    random = np.random.default_rng(0)
    hits = [_agreeing(labels[random.permutation(len(labels))], pairs) for _ in range(SHUFFLES)]
    return (1 + int(np.count_nonzero(np.array(hits) >= _agreeing(labels, pairs)))) / (1 + SHUFFLES)


def _nearest(tiles: EvaluationTiles, row: int, space: Space) -> int | None:
    """The most similar labelled tile of another place."""
    ranked = np.flatnonzero(tiles.candidates(row) & tiles.is_labelled)
    return int(ranked[space.scores(row)[ranked].argmax()]) if len(ranked) else None


def _agreeing(labels: NDArray[np.bool_], pairs: NDArray[np.intp]) -> int:
    return int((labels[pairs[:, 0]] & labels[pairs[:, 1]]).any(axis=1).sum())


def share_of_known(tiles: EvaluationTiles, queries: NDArray[np.intp]) -> float:
    """Estimated share of the tiles that show one of the labelled classes, 0..1.

    The similarity of an unlabelled tile to its nearest labelled tile lies between two means, which labelled tiles give: with
    and without the tiles that share their label.
    """
    labelled = np.flatnonzero(tiles.is_labelled)
    others = tiles.others()
    if not len(others) or not len(queries):
        return 1.0
    rows = tiles.old.embeddings
    with_own, without_own = [], []
    for row in queries.tolist():
        ranked = tiles.candidates(row)[labelled]
        scores = rows[labelled] @ rows[row]
        is_own = tiles.relevance(row)[labelled]
        with_own.append(scores[ranked].max(initial=-1.0))
        without_own.append(scores[ranked & ~is_own].max(initial=-1.0))
    seen, unseen = float(np.mean(with_own)), float(np.mean(without_own))
    found = float((rows[others] @ rows[labelled].T).max(axis=1).mean())
    share = float(np.clip((found - unseen) / max(seen - unseen, 1e-6), 0.0, 1.0))
    return (len(labelled) + share * (len(tiles.ids) - len(labelled))) / len(tiles.ids)
