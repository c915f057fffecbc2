"""Cross-fitting: heads fitted without one fold each and evaluated on it, to choose when to stop and to calibrate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.evaluation.metrics.ranking import ranked_chunks
from models.evaluation.metrics.relevance import LabelSets, relevance
from models.evaluation.metrics.retrieval import average_precision
from models.heads.fitting.fit_head import Examples, fit_head
from models.heads.head_recipe import HeadRecipe
from models.heads.linear_head import Head
from models.heads.progress import ProgressCallback

_QUERIES, _DATABASE = 200, 1500
"""Maximum numbers of queries and of ranked tiles in the evaluation of a round."""


@dataclass(frozen=True, slots=True)
class CrossFit:
    """The result. rounds: number of rounds after which the head is best; 0: the base model's head is. scores: (rounds + 1,) mAP
    by round, the base model's first. folds: (L,) the fold of each labelled tile. embeddings: (L, D), of each tile by the head
    that was fitted without its fold, after the chosen round."""

    rounds: int
    scores: tuple[float, ...]
    folds: NDArray[np.intp]
    embeddings: NDArray[np.float32]


def cross_fit(base: Head, examples: Examples, recipe: HeadRecipe, seed: int, progress: ProgressCallback) -> CrossFit:
    """Fit one head for each fold without its tiles; after every round these query all labelled tiles."""
    folds = assign_folds(examples.targets, recipe.folds, seed)
    count = int(folds.max()) + 1
    fitted: list[list[Head]] = []
    precisions = []
    random = np.random.default_rng(seed)
    for fold in range(count):
        heads = [base]
        evaluate = _FoldEvaluation(examples, np.flatnonzero(folds == fold), random)
        scores = [evaluate(base)]
        for head in fit_head(base, examples.take(np.flatnonzero(folds != fold)), recipe, seed):
            scores.append(evaluate(head))
            heads.append(head)
            progress(100 * (fold + len(heads) / (recipe.rounds + 1)) / count, f"cross-validating, fold {fold + 1} of {count}")
        fitted.append(heads)
        precisions.append(np.stack(scores, axis=1))
    pooled = np.concatenate(precisions)  # (queries, rounds + 1)
    best = choose_round(pooled)
    embeddings = np.empty((len(folds), base.dimension), dtype=np.float32)
    for fold, heads in enumerate(fitted):
        embeddings[folds == fold] = heads[best].project(examples.labelled, np.flatnonzero(folds == fold))
    means = pooled.mean(axis=0) if len(pooled) else np.zeros(recipe.rounds + 1)
    return CrossFit(best, tuple(float(each) for each in means), folds, embeddings)


def choose_round(precisions: NDArray[np.float64]) -> int:
    """The last round within one standard error of the best one (of their difference over the queries).

    With few queries the rounds cannot be distinguished, and the last one is chosen, because its learning rate is the lowest.
    precisions: (Q, rounds + 1), average precision of each query by round, the base model's first.
    """
    if len(precisions) == 0:
        return int(precisions.shape[1]) - 1
    best = int(precisions.mean(axis=0).argmax())
    lost = precisions[:, best : best + 1] - precisions
    allowed = lost.std(axis=0, ddof=min(1, len(lost) - 1)) / np.sqrt(len(lost))
    as_good = np.flatnonzero(lost.mean(axis=0) <= allowed)
    return int(as_good[-1])


def assign_folds(targets: NDArray[np.bool_], folds: int, seed: int) -> NDArray[np.intp]:
    """(L,) fold numbers; each class is spread evenly over the folds, rare classes first.

    targets: (L, C), at least one class a row. The number of folds is at most `folds` and at most the number of tiles of the
    rarest class with two or more tiles.
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


class _FoldEvaluation:
    """Average precision of tiles of a fold as queries, ranked against labelled tiles; shared labels are relevant."""

    def __init__(self, examples: Examples, fold: NDArray[np.intp], random: np.random.Generator) -> None:
        queries = np.sort(random.permutation(fold)[:_QUERIES])
        others = random.permutation(np.setdiff1d(np.arange(len(examples.labelled)), queries))
        rows = np.concatenate([queries, others[: max(_DATABASE - len(queries), 0)]])
        self._own = np.arange(len(queries))
        self._features = examples.labelled[rows]
        labels = LabelSets([str(number) for number in range(examples.targets.shape[1])], examples.targets[rows])
        self._related = relevance(labels.take(self._own), labels, len(queries), len(rows), self._own)

    def __call__(self, head: Head) -> NDArray[np.float64]:
        """(Q,) average precisions, of the queries that share a label with another tile."""
        embeddings = head.project(self._features)
        chunks = ranked_chunks(embeddings[self._own], embeddings, self._own, len(self._own))
        found = [average_precision(ranks) for chunk in chunks for _, ranks in self._related.ranks(chunk)]
        return np.array(found, dtype=np.float64)
