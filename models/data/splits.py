"""Stratified splits with a seed; duplicates stay on one side.

scikit-learn has no stratified split by fraction that keeps groups together, and the splits recorded in cards must not change
with a library's version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.errors import DataError

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Split:
    """Two disjoint sets of indices, each sorted; together they are all images.

    train, test: int64. In the semi-supervised protocol `train` is the labelled and `test` the unlabelled part.
    """

    train: Indices
    test: Indices


def split_fraction(labels: Indices, groups: Indices, fraction: float, seed: int) -> Split:
    """Put `fraction` of every class into `train`, at least one image each, and leave at least one for `test`.

    labels: (N,) int64 class numbers. groups: (N,) int64, images of one group are duplicates and never separated (a group
    counts with the class of its first image). fraction: in (0, 1); a class misses its share by at most its largest group.

    Raises:
        DataError: the fraction is out of range, or a class has no two different images.
    """
    if not 0 < fraction < 1:
        raise DataError(f"a split needs a fraction between 0 and 1, not {fraction:g}")
    is_train = np.zeros(len(labels), bool)
    for name, units in _shuffled_units(labels, groups, seed):
        if len(units) < 2:
            raise DataError(f"class {name} has only one image (duplicates count once); a split needs two")
        target = fraction * sum(map(len, units))
        taken = 0
        for position, unit in enumerate(units[:-1]):
            # take the unit if that comes nearer to the target than leaving it
            if position == 0 or taken + len(unit) / 2 <= target:
                is_train[unit] = True
                taken += len(unit)
    return Split(np.flatnonzero(is_train), np.flatnonzero(~is_train))


def k_folds(labels: Indices, groups: Indices, k: int, seed: int) -> list[Split]:
    """K splits with disjoint `test` parts of nearly equal size and class shares, together all images.

    labels, groups: as in `split_fraction`.

    Raises:
        DataError: k is below 2, or a class has fewer than k different images.
    """
    if k < 2:
        raise DataError(f"k-fold needs k of at least 2, not {k}")
    fold_of = np.empty(len(labels), np.int64)
    sizes = np.zeros(k, np.int64)
    for name, units in _shuffled_units(labels, groups, seed):
        if len(units) < k:
            raise DataError(f"class {name} has {len(units)} different images, too few for {k} folds")
        class_sizes = np.zeros(k, np.int64)
        for unit in units:
            fold = int(np.lexsort((sizes, class_sizes))[0])  # the fold with the fewest of this class, then of all
            fold_of[unit] = fold
            class_sizes[fold] += len(unit)
            sizes[fold] += len(unit)
    return [Split(np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)) for fold in range(k)]


def flip_labels(labels: Indices, classes: int, fraction: float, seed: int) -> Indices:
    """Symmetric label noise: a copy in which exactly `round(fraction * N)` labels are a different class, drawn uniformly.

    labels: (N,) int64 in 0..classes-1.

    Raises:
        DataError: the fraction is out of [0, 1] or there is no other class.
    """
    if not 0 <= fraction <= 1 or classes < 2:
        raise DataError(f"label noise needs a fraction in 0..1 and two classes, not {fraction:g} and {classes}")
    random = np.random.default_rng([seed, 0x_401_5E])
    chosen = random.permutation(len(labels))[: round(fraction * len(labels))]
    noisy = labels.copy()
    noisy[chosen] = (labels[chosen] + random.integers(1, classes, len(chosen))) % classes
    return noisy


def _shuffled_units(labels: Indices, groups: Indices, seed: int) -> list[tuple[int, list[Sequence[int]]]]:
    """For every class its groups (arrays of indices) in a random order that depends on the seed and the class only."""
    if len(labels) != len(groups):
        raise DataError(f"{len(labels)} labels and {len(groups)} groups do not fit")
    members: dict[int, list[int]] = {}
    for index, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(index)
    by_class: dict[int, list[Sequence[int]]] = {}
    for unit in members.values():
        by_class.setdefault(int(labels[unit[0]]), []).append(unit)
    result = []
    for name in sorted(by_class):
        order = np.random.default_rng([seed, name & 0xFFFFFFFF]).permutation(len(by_class[name]))
        result.append((name, [by_class[name][i] for i in order]))
    return result
