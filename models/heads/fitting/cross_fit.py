"""Cross-fitting: heads fitted without one fold each and evaluated on it, to choose when to stop and to calibrate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluation.metrics.ranking import ranked_chunks
from models.evaluation.metrics.relevance import LabelSets, Relevance, relevance
from models.evaluation.metrics.retrieval import average_precision
from models.heads.fitting.fit_head import Examples, fit_head
from models.heads.head_recipe import HeadRecipe
from models.heads.linear_head import Head
from models.heads.progress import ProgressCallback

_QUERIES, _DATABASE = 200, 1500
"""Maximum numbers of queries and of ranked tiles in the evaluation of a round."""


@dataclass(frozen=True, slots=True)
class CrossFit:
    """The result. rounds: the chosen head of `fit_head`; 0: the base model's head. scores: (rounds + 1,) mean of the average
    precisions by round, the base model's first. folds: (L,) the fold of each labelled tile. heads: for each fold, the head that
    was fitted without it, after the chosen round. embeddings: (L, D), of each tile by the head of its fold."""

    rounds: int
    scores: tuple[float, ...]
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
    """Fit one head for each fold without its tiles; after every round these query each other among unlabelled tiles.

    places: (L,) place of each labelled tile; tiles of one place are in one fold. None: every tile is a place.
    """
    places = np.arange(len(examples.targets)) if places is None else places
    folds = assign_folds(examples.targets, recipe.folds, seed, places)
    count = int(folds.max()) + 1
    fitted: list[list[Head]] = []
    precisions = []
    queried = []
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
        queried.append(places[evaluate.queries])
    pooled = np.concatenate(precisions)  # (queries, rounds + 1)
    best = choose_round(pooled, np.concatenate(queried))
    embeddings = np.empty((len(folds), base.dimension), dtype=np.float32)
    chosen = tuple(heads[best] for heads in fitted)
    for fold, head in enumerate(chosen):
        embeddings[folds == fold] = head.project(examples.labelled, np.flatnonzero(folds == fold))
    means = pooled.mean(axis=0) if len(pooled) else np.zeros(recipe.rounds + 1)
    return CrossFit(best, tuple(float(each) for each in means), folds, chosen, embeddings)


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


class _FoldEvaluation:
    """Average precision of tiles of a fold as queries: the mean of two rankings, of the tiles of the fold, and of these and
    unlabelled tiles.

    The first shows whether labels are told apart, the second whether they are told from the rest of the archive, where an
    unlabelled tile of the same class counts as not relevant. Other labelled tiles are not ranked: the head was fitted to them.
    If no two tiles of the fold share a label, all labelled tiles are ranked. queries: (Q,) labelled rows, those that share a
    label with a ranked tile.
    """

    def __init__(self, examples: Examples, fold: NDArray[np.intp], random: np.random.Generator) -> None:
        targets = examples.targets
        if not (targets[fold].sum(axis=0) > 1).any():
            fold = np.concatenate([fold, np.setdiff1d(np.arange(len(targets)), fold)])
        known = random.permutation(fold)[:_DATABASE] if len(fold) > _DATABASE else fold
        shared = targets[known][:, targets[known].sum(axis=0) > 1].any(axis=1)
        own = np.sort(random.permutation(np.flatnonzero(shared))[:_QUERIES])
        self.queries = known[own]
        others = random.permutation(len(examples.unlabelled))[:_DATABASE]
        self._own = own
        self._features = np.concatenate([examples.labelled[known], examples.unlabelled[others]])
        flags = np.concatenate([targets[known], np.zeros((len(others), targets.shape[1]), np.bool_)])
        self._rankings = [(count, _related(own, flags[:count])) for count in (len(known), len(flags))]

    def __call__(self, head: Head) -> NDArray[np.float64]:
        """(Q,) average precisions."""
        embeddings = head.project(self._features)
        found = [self._precisions(related, embeddings[:count]) for count, related in self._rankings]
        return np.asarray(np.mean(found, axis=0))

    def _precisions(self, related: Relevance, ranked: NDArray[np.float32]) -> NDArray[np.float64]:
        own = self._own
        chunks = ranked_chunks(ranked[own], ranked, own, max(1, len(own)))
        return np.array([average_precision(ranks) for chunk in chunks for _, ranks in related.ranks(chunk)], np.float64)


def _related(queries: NDArray[np.intp], flags: NDArray[np.bool_]) -> Relevance:
    labels = LabelSets([str(number) for number in range(flags.shape[1])], flags)
    return relevance(labels.take(queries), labels, len(queries), len(flags), queries)
