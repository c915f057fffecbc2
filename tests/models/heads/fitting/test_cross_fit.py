"""Folds, and the round that is chosen on them."""

from __future__ import annotations

import numpy as np
import pytest

from models.heads.fitting.cross_fit import assign_folds, choose_round, cross_fit
from models.heads.fitting.fit_head import Examples, fit_head
from models.heads.head_recipe import HeadRecipe
from models.heads.linear_head import Head

RECIPE = HeadRecipe(rounds=3, steps=4)


def test_every_class_is_spread_over_the_folds() -> None:
    targets = np.eye(3, dtype=bool)[np.repeat([0, 1, 2], [9, 6, 31])]
    folds = assign_folds(targets, 3, seed=0)
    for label in range(3):
        counts = np.bincount(folds[targets[:, label]], minlength=3)
        assert counts.max() - counts.min() <= 1
    assert np.array_equal(folds, assign_folds(targets, 3, seed=0))
    assert not np.array_equal(folds, assign_folds(targets, 3, seed=1))


def test_tiles_of_several_labels_get_one_fold_and_rare_labels_come_first() -> None:
    random = np.random.default_rng(0)
    targets = random.random((60, 5)) < (0.5, 0.4, 0.3, 0.2, 0.08)
    targets[~targets.any(axis=1), 0] = True
    folds = assign_folds(targets, 3, seed=0)
    assert set(folds.tolist()) == {0, 1, 2}
    rare = np.bincount(folds[targets[:, 4]], minlength=3)
    assert rare.max() - rare.min() <= 1


@pytest.mark.parametrize(("sizes", "wanted"), [((2, 2), 2), ((2, 50), 2), ((1, 8, 5), 3), ((4, 3), 3)])
def test_no_more_folds_than_a_class_has_tiles(sizes: tuple[int, ...], wanted: int) -> None:
    targets = np.eye(len(sizes), dtype=bool)[np.repeat(np.arange(len(sizes)), sizes)]
    assert assign_folds(targets, 3, seed=0).max() + 1 == wanted


def test_the_earliest_round_is_taken_that_is_within_one_standard_error_of_the_best() -> None:
    random = np.random.default_rng(0)
    noise = random.normal(0, 0.2, (20, 1)) + random.normal(0, 0.05, (20, 4))
    assert choose_round(0.5 + noise) == 0
    clear = np.tile([0.4, 0.9, 0.5, 0.3], (200, 1)) + random.normal(0, 0.05, (200, 4))
    assert choose_round(clear) == 1
    rising = np.tile([0.4, 0.6, 0.8, 0.8001], (200, 1)) + random.normal(0, 0.05, (200, 4))
    assert choose_round(rising) == 2
    assert choose_round(np.tile([0.9, 0.5, 0.5, 0.5], (200, 1))) == 0
    assert choose_round(np.array([[0.9, 0.5]])) == 0
    assert choose_round(np.zeros((0, 4))) == 0


def test_queries_of_one_place_count_once() -> None:
    gains = np.repeat([0.3, -0.1, 0.2, -0.2], 25)
    precisions = np.stack([np.full(100, 0.5), 0.5 + gains], axis=1)
    assert choose_round(precisions) == 1
    assert choose_round(precisions, np.repeat(np.arange(4), 25)) == 0


def test_a_place_is_in_one_fold_and_classes_stay_spread() -> None:
    targets = np.eye(2, dtype=bool)[np.repeat([0, 1], 18)]
    places = np.repeat(np.arange(12), 3)
    folds = assign_folds(targets, 3, seed=0, places=places)
    for place in range(12):
        assert len(set(folds[places == place].tolist())) == 1
    for label in range(2):
        assert np.bincount(folds[targets[:, label]], minlength=3).tolist() == [6, 6, 6]
    assert assign_folds(targets, 3, seed=0, places=np.repeat([0, 1, 2, 3], 9)).max() == 1  # two places of each class


def test_each_tile_is_embedded_by_a_head_that_had_not_seen_it() -> None:
    random = np.random.default_rng(0)
    labels = np.arange(24) % 3
    features = (random.normal(size=(24, 10)) + 2 * np.eye(3, 10)[labels]).astype(np.float32)
    others = random.normal(size=(30, 10)).astype(np.float32)
    examples = Examples(features, np.eye(3, dtype=bool)[labels], others)
    base = Head(random.normal(size=(4, 10)).astype(np.float32), np.zeros(4, np.float32))
    told: list[float] = []
    found = cross_fit(base, examples, RECIPE, 5, lambda percent, _: told.append(percent))
    assert told[-1] == 100
    assert told == sorted(told)
    assert len(found.scores) == RECIPE.rounds + 1
    for fold in range(3):
        rows = np.flatnonzero(found.folds == fold)
        heads = [base, *fit_head(base, examples.take(np.flatnonzero(found.folds != fold)), found.recipe, 5)]
        assert np.allclose(found.embeddings[rows], heads[found.rounds].project(features[rows]), atol=1e-6)


def test_labels_of_one_tile_each_can_be_fitted_but_not_judged() -> None:
    random = np.random.default_rng(0)
    examples = Examples(
        random.normal(size=(3, 6)).astype(np.float32), np.eye(3, dtype=bool), np.zeros((0, 6), dtype=np.float32)
    )
    base = Head(random.normal(size=(4, 6)).astype(np.float32), np.zeros(4, np.float32))
    found = cross_fit(base, examples, RECIPE, 0, lambda *_: None)
    assert found.rounds == 0
    assert set(found.scores) == {0.0}


@pytest.mark.parametrize(("is_right", "is_taught"), [(True, True), (False, False)])
def test_right_labels_are_learned_and_shuffled_ones_are_not(is_right: bool, is_taught: bool) -> None:
    """Two of twenty dimensions tell the labels apart, and the base model's head hardly has them."""
    random = np.random.default_rng(1)
    classes = np.arange(120) % 4
    told = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    features = random.normal(size=(120, 20)).astype(np.float32)
    features[:, :2] = 3 * told[classes] + features[:, :2]
    weight = np.eye(8, 20, dtype=np.float32)
    weight[:2] *= 0.2
    base = Head(weight, np.zeros(8, np.float32))
    labels = classes[:60] if is_right else random.permutation(classes[:60])
    examples = Examples(features[:60], np.eye(4, dtype=bool)[labels], features[60:])
    found = cross_fit(base, examples, HeadRecipe(), 0, lambda *_: None)
    assert (found.rounds > 0) == is_taught


def test_the_variant_whose_heads_exceed_chance_most_is_taken() -> None:
    random = np.random.default_rng(0)
    labels = np.arange(60) % 3
    features = (random.normal(size=(60, 10)) + 2 * np.eye(3, 10)[labels]).astype(np.float32)
    others = random.normal(size=(40, 10)).astype(np.float32)  # none of them is of a labelled class
    examples = Examples(features, np.eye(3, dtype=bool)[labels], others)
    base = Head(random.normal(size=(6, 10)).astype(np.float32), np.zeros(6, np.float32))
    recipe = HeadRecipe(rankness=20.0, weaker_rankness=0.1)
    careful, strong = recipe.variants()
    assert (careful.rankness, strong.rankness) == (0.1, 20.0)
    both = [cross_fit(base, examples, each, 0, lambda *_: None) for each in (careful, strong)]
    found = cross_fit(base, examples, recipe, 0, lambda *_: None)
    assert found.recipe == max(both, key=lambda each: each.excess).recipe
    assert both[0].excess != both[1].excess


@pytest.mark.parametrize("weaker", [None, 0.5, 0.7])
def test_without_a_smaller_value_there_is_one_variant(weaker: float | None) -> None:
    only = HeadRecipe(rankness=0.5, weaker_rankness=weaker).variants()
    assert [each.rankness for each in only] == [0.5]
