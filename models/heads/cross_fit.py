"""Heads fitted to a part of the labelled tiles each, judged on the rest: when to stop, and embeddings to calibrate on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.evaluation.metrics.ranking import ranked_chunks
from models.evaluation.metrics.relevance import LabelSets, relevance
from models.evaluation.metrics.retrieval import average_precision
from models.heads.config import HeadRecipe
from models.heads.fit import Examples, fit_head
from models.heads.linear_head import Head
from models.heads.progress import ProgressCallback

_QUERIES, _DATABASE = 200, 1500
"""Tiles that judge a round and tiles that are ranked for them, at most: more cost seconds and change nothing."""


@dataclass(frozen=True, slots=True)
class CrossFit:
    """rounds: after which a head is best; 0: the base's own is. scores: (rounds + 1,) mean mAP by round, the base's first.
    folds: (L,) the fold of each labelled tile. embeddings: (L, D) of each, by the head of the chosen round that had not seen
    it."""

    rounds: int
    scores: tuple[float, ...]
    folds: NDArray[np.intp]
    embeddings: NDArray[np.float32]


def cross_fit(base: Head, examples: Examples, recipe: HeadRecipe, seed: int, progress: ProgressCallback) -> CrossFit:
    """Fit one head for each fold without its tiles; after every round its tiles query all labelled ones."""
    folds = assign_folds(examples.targets, recipe.folds, seed)
    count = int(folds.max()) + 1
    made: list[list[Head]] = []
    precisions = []
    random = np.random.default_rng(seed)
    for fold in range(count):
        heads = [base]
        judge = _Judge(examples, np.flatnonzero(folds == fold), random)
        judged = [judge(base)]
        for head in fit_head(base, examples.take(np.flatnonzero(folds != fold)), recipe, seed):
            judged.append(judge(head))
            heads.append(head)
            progress(100 * (fold + len(heads) / (recipe.rounds + 1)) / count, f"trying without part {fold + 1} of {count}")
        made.append(heads)
        precisions.append(np.stack(judged, axis=1))
    pooled = np.concatenate(precisions)  # (queries, rounds + 1)
    best = choose_round(pooled)
    embeddings = np.empty((len(folds), base.dimension), dtype=np.float32)
    for fold, heads in enumerate(made):
        embeddings[folds == fold] = heads[best].project(examples.labelled, np.flatnonzero(folds == fold))
    means = pooled.mean(axis=0) if len(pooled) else np.zeros(recipe.rounds + 1)
    return CrossFit(best, tuple(float(each) for each in means), folds, embeddings)


def choose_round(precisions: NDArray[np.float64]) -> int:
    """The last round that is as good as the best one, but for one standard error of their difference over the queries.

    Few queries cannot progress rounds apart, and then the last is best: the rate has come down. precisions: (Q, rounds + 1),
    average precision of each query by round, the base's first.
    """
    if len(precisions) == 0:
        return int(precisions.shape[1]) - 1
    best = int(precisions.mean(axis=0).argmax())
    lost = precisions[:, best : best + 1] - precisions
    allowed = lost.std(axis=0, ddof=min(1, len(lost) - 1)) / np.sqrt(len(lost))
    as_good = np.flatnonzero(lost.mean(axis=0) <= allowed)
    return int(as_good[-1])


def assign_folds(targets: NDArray[np.bool_], folds: int, seed: int) -> NDArray[np.intp]:
    """(L,) numbers of at most `folds` folds, over which each class is spread evenly, rare ones first.

    targets: (L, C), at least one a row. Never more folds than the rarest class that has two tiles has tiles.
    """
    random = np.random.default_rng(seed)
    totals = targets.sum(axis=0)
    count = int(min(folds, max(2, totals[totals > 1].min(initial=folds))))
    assigned = np.full(len(targets), -1)
    sizes = np.zeros(count, np.intp)
    for label in np.argsort(totals, kind="stable"):
        own = np.bincount(assigned[targets[:, label] & (assigned >= 0)], minlength=count)
        for row in random.permutation(np.flatnonzero(targets[:, label] & (assigned < 0))):
            fold = int(np.lexsort((sizes, own))[0])  # the fewest of this class, then of all
            assigned[row] = fold
            own[fold] += 1
            sizes[fold] += 1
    return assigned


class _Judge:
    """Average precision of some tiles of a fold as queries, against many labelled ones, by shared labels."""

    def __init__(self, examples: Examples, fold: NDArray[np.intp], random: np.random.Generator) -> None:
        queries = np.sort(random.permutation(fold)[:_QUERIES])
        others = random.permutation(np.setdiff1d(np.arange(len(examples.labelled)), queries))
        rows = np.concatenate([queries, others[: max(_DATABASE - len(queries), 0)]])
        self._own = np.arange(len(queries))
        self._features = examples.labelled[rows]
        labels = LabelSets([str(number) for number in range(examples.targets.shape[1])], examples.targets[rows])
        self._related = relevance(labels.take(self._own), labels, len(queries), len(rows), self._own)

    def __call__(self, head: Head) -> NDArray[np.float64]:
        """(Q,) of the queries that share a label with another tile."""
        embeddings = head.project(self._features)
        chunks = ranked_chunks(embeddings[self._own], embeddings, self._own, len(self._own))
        found = [average_precision(ranks) for chunk in chunks for _, ranks in self._related.ranks(chunk)]
        return np.array(found, dtype=np.float64)
