"""Division of labelled tiles into folds: by place, and by label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.services.reindex.judging.evaluation_queries import EvaluationTiles
from app.services.reindex.judging.fold_heads import LEARNED, LEFT_OUT, UNLABELLED

PLACE_FOLDS, LABEL_FOLDS = 5, 4
FEWEST_LABELS = 3
"""Minimum number of labels for folds by label: without one of them, two remain to be learned."""


def folds_by_place(tiles: EvaluationTiles, seed: int = 0) -> NDArray[np.intp]:
    """(N,) fold of each labelled tile, -1 of others. The tiles of a place are in one fold; each label is spread evenly."""
    random = np.random.default_rng(seed)
    folds = np.full(len(tiles.ids), -1, np.intp)
    labelled = np.flatnonzero(tiles.is_labelled)
    numbers = tiles.places.numbers[labelled]
    counts = np.zeros((PLACE_FOLDS, len(tiles.classes)), np.intp)
    places = random.permutation(np.unique(numbers))
    rarest = [_rarest(tiles, labelled[numbers == place]) for place in places]
    for place in places[np.argsort(rarest, kind="stable")]:
        rows = labelled[numbers == place]
        own = tiles.labels[rows].sum(axis=0)
        fold = int(np.lexsort((counts.sum(axis=1), counts[:, own > 0].sum(axis=1)))[0])
        counts[fold] += own
        folds[rows] = fold
    return folds


def uses_by_place(tiles: EvaluationTiles, folds: NDArray[np.intp], learned: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(K, N) use of each tile in a head per fold, which does not learn the tiles of its fold, nor tiles that overlap these.

    learned: (N,) bool, the tiles whose labels the model learned.
    """
    uses = np.full((PLACE_FOLDS, len(folds)), LEFT_OUT, np.uint8)
    near, far = tiles.places.overlaps.T
    for fold in range(PLACE_FOLDS):
        is_out = folds == fold
        is_beside = np.zeros(len(folds), np.bool_)
        is_beside[near[is_out[far]]] = is_beside[far[is_out[near]]] = True
        uses[fold, learned & ~is_out & ~is_beside] = LEARNED
    return uses


def folds_by_label(tiles: EvaluationTiles) -> NDArray[np.intp]:
    """(N,) fold of each labelled tile by its rarest label, -1 of others; all -1 with fewer than `FEWEST_LABELS` labels."""
    rarity = tiles.labels.sum(axis=0)
    if len(rarity) < FEWEST_LABELS:
        return np.full(len(tiles.ids), -1, np.intp)
    rarest = np.where(tiles.labels, rarity, len(tiles.ids) + 1).argmin(axis=1)
    return np.where(tiles.is_labelled, rarest % min(LABEL_FOLDS, len(rarity)), -1)


def uses_by_label(tiles: EvaluationTiles, folds: NDArray[np.intp], learned: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(K, N) use of each tile in a head per fold; tiles with a label of its fold are unlabelled examples."""
    count = int(folds.max(initial=-1)) + 1
    uses = np.full((count, len(folds)), LEFT_OUT, np.uint8)
    for fold in range(count):
        is_unseen = tiles.labels[:, tiles.labels[folds == fold].any(axis=0)].any(axis=1)
        uses[fold, learned & ~is_unseen] = LEARNED
        uses[fold, learned & is_unseen] = UNLABELLED
    return uses


def _rarest(tiles: EvaluationTiles, rows: NDArray[np.intp]) -> int:
    """Number of tiles with the rarest label of some tiles."""
    return int(tiles.labels.sum(axis=0)[tiles.labels[rows].any(axis=0)].min())
