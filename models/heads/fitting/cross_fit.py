"""Cross-fitting: heads fitted without one fold each and evaluated on it, to choose when to stop and to calibrate."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.heads.fitting.fit_head import Examples, fit_head
from models.heads.fitting.fold_evaluation import FoldEvaluation
from models.heads.head_recipe import HeadRecipe
from models.heads.linear_head import Head
from models.heads.progress import ProgressCallback, sub_progress


@dataclass(frozen=True, slots=True)
class CrossFit:
    """The result. recipe: the chosen one. rounds: the chosen head of `fit_head`; 0: the base model's head. scores:
    (rounds + 1,) mean of the average precisions by round, the base model's first. excess: how much the mean of the chosen round
    exceeds chance, see `FoldEvaluation`. folds: (L,) the fold of each labelled tile. heads: for each fold, the head that was
    fitted without it, after the chosen round. embeddings: (L, D), of each tile by the head of its fold."""

    recipe: HeadRecipe
    rounds: int
    scores: tuple[float, ...]
    excess: float
    folds: NDArray[np.intp]
    heads: tuple[Head, ...]
    embeddings: NDArray[np.float32]


def cross_fit(
    base: Head,
    examples: Examples,
    recipe: HeadRecipe,
    seed: int,
    progress: ProgressCallback,
    *,
    places: NDArray[np.integer[Any]] | None = None,
) -> CrossFit:
    """Fit one head for each fold without its tiles, by each variant of the recipe; the one whose heads exceed chance most.

    After every round the tiles of a fold query all labelled tiles and unlabelled ones. The chosen round is the earlier one of
    those that the average precision and its excess over chance choose.

    places: (L,) place of each labelled tile; tiles of one place are in one fold. None: every tile is a place.
    """
    places = np.arange(len(examples.targets)) if places is None else places
    folds = _Folds.of(base, examples, recipe.folds, seed, places)
    variants = recipe.variants()
    tried = []
    for number, each in enumerate(variants):
        own = sub_progress(progress, 100 * number / len(variants), 100 * (number + 1) / len(variants))
        tried.append(_fit_variant(base, examples, each, seed, own, folds))
    return max(tried, key=lambda found: found.excess)


def fit_chosen(base: Head, examples: Examples, cross: CrossFit, seed: int, progress: ProgressCallback) -> Head:
    """The head fitted to all examples by the recipe, and after the round, that cross-fitting chose."""
    heads = [base]
    for head in islice(fit_head(base, examples, cross.recipe, seed), cross.rounds):
        heads.append(head)
        progress(100 * (len(heads) - 1) / cross.rounds, "training on all labelled tiles")
    return heads[-1]


@dataclass(frozen=True, slots=True)
class _Folds:
    """What all variants share. numbers: (L,) fold of each labelled tile. evaluations: one for each fold. before: what they give
    for the base model's head. places: (Q,) of all their queries."""

    numbers: NDArray[np.intp]
    evaluations: tuple[FoldEvaluation, ...]
    before: tuple[NDArray[np.float64], ...]
    places: NDArray[np.integer[Any]]

    @classmethod
    def of(cls, base: Head, examples: Examples, folds: int, seed: int, places: NDArray[np.integer[Any]]) -> _Folds:
        """places: (L,) of the labelled tiles."""
        numbers = assign_folds(examples.targets, folds, seed, places)
        random = np.random.default_rng(seed)
        evaluations = tuple(
            FoldEvaluation(examples, np.flatnonzero(numbers == fold), places, random) for fold in range(int(numbers.max()) + 1)
        )
        queried = np.concatenate([places[each.queries] for each in evaluations])
        return cls(numbers, evaluations, tuple(evaluate(base) for evaluate in evaluations), queried)


def _fit_variant(
    base: Head, examples: Examples, recipe: HeadRecipe, seed: int, progress: ProgressCallback, folds: _Folds
) -> CrossFit:
    count = len(folds.evaluations)
    fitted: list[list[Head]] = []
    precisions = []
    for fold, evaluate in enumerate(folds.evaluations):
        heads, scores = [base], [folds.before[fold]]
        for head in fit_head(base, examples.take(np.flatnonzero(folds.numbers != fold)), recipe, seed):
            scores.append(evaluate(head))
            heads.append(head)
            progress(100 * (fold + len(heads) / (recipe.rounds + 1)) / count, f"cross-validating, fold {fold + 1} of {count}")
        fitted.append(heads)
        precisions.append(np.stack(scores, axis=2))
    pooled, excess = np.concatenate(precisions, axis=1)  # (queries, rounds + 1) each
    best = min(choose_round(each, folds.places) for each in (pooled, excess))
    embeddings = np.empty((len(folds.numbers), base.dimension), dtype=np.float32)
    chosen = tuple(heads[best] for heads in fitted)
    for fold, head in enumerate(chosen):
        own = np.flatnonzero(folds.numbers == fold)
        embeddings[own] = head.project(examples.labelled, own)
    means, above = (each.mean(axis=0) if len(each) else np.zeros(recipe.rounds + 1) for each in (pooled, excess))
    return CrossFit(recipe, best, tuple(float(each) for each in means), float(above[best]), folds.numbers, chosen, embeddings)


def choose_round(precisions: NDArray[np.float64], places: NDArray[np.integer[Any]] | None = None) -> int:
    """The first round within one standard error of the best one: the nearest to the base model's head, round 0.

    With few queries the rounds cannot be distinguished, and an early one is chosen; without any, round 0. The standard error is
    that of the mean difference from the best round; queries of one place count as one observation.

    precisions: (Q, rounds + 1), average precision of each query by round, the base model's first. places: (Q,) place of each
    query; None: all different.
    """
    if len(precisions) == 0:
        return 0
    best = int(precisions.mean(axis=0).argmax())
    lost = precisions[:, best : best + 1] - precisions
    means = lost.mean(axis=0)
    members = np.unique(np.arange(len(lost)) if places is None else places, return_inverse=True)[1]
    sums = np.zeros((int(members.max()) + 1, lost.shape[1]))
    np.add.at(sums, members, lost - means)
    allowed = np.sqrt((sums * sums).sum(axis=0)) / len(lost)
    return int(np.flatnonzero(means <= allowed)[0])


def assign_folds(
    targets: NDArray[np.bool_], folds: int, seed: int, places: NDArray[np.integer[Any]] | None = None
) -> NDArray[np.intp]:
    """(L,) fold numbers; each class is spread evenly over the folds, rare classes first, and a place is in one fold.

    targets: (L, C), at least one class a row. places: (L,) place of each row; None: all different. The number of folds is at
    most `folds` and at most the number of places of the rarest class with two or more places.
    """
    random = np.random.default_rng(seed)
    members = np.unique(np.arange(len(targets)) if places is None else places, return_inverse=True)[1]
    sums = np.zeros((int(members.max()) + 1, targets.shape[1]), np.intp)  # tiles by place and class
    np.add.at(sums, members, targets)
    totals = (sums > 0).sum(axis=0)
    count = int(min(folds, max(2, totals[totals > 1].min(initial=folds))))
    assigned = np.full(len(sums), -1)
    classes = np.zeros((count, targets.shape[1]), np.intp)
    sizes = np.zeros(count, np.intp)
    for label in np.argsort(totals, kind="stable"):
        for place in random.permutation(np.flatnonzero((sums[:, label] > 0) & (assigned < 0))):
            fold = int(np.lexsort((sizes, classes[:, label]))[0])  # the fewest of this class, then of all
            assigned[place] = fold
            classes[fold] += sums[place]
            sizes[fold] += sums[place].sum()
    return np.asarray(assigned[members], np.intp)
