"""A head learns from a few labels what its base does not see, and leaves the rest where it is."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.evaluation.metrics.retrieval import retrieval_metrics
from models.heads.errors import HeadError
from models.heads.fitting.fit_head import Examples, balanced_batches, fit_head
from models.heads.head_recipe import HeadRecipe
from models.heads.linear_head import Head

CLASSES, FEATURES, DIMENSION = 6, 48, 16
RECIPE = HeadRecipe(rounds=6, steps=15)


def _world(per_class: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Features whose classes differ in six channels, among channels that say nothing but vary more."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(CLASSES), per_class)
    features = random.normal(size=(len(labels), FEATURES))
    features[:, :CLASSES] = random.normal(scale=0.5, size=(len(labels), CLASSES)) + 2 * np.eye(CLASSES)[labels]
    return features.astype(np.float32), labels


def _base() -> Head:
    weight = np.random.default_rng(1).normal(size=(DIMENSION, FEATURES)).astype(np.float32)
    return Head(weight, np.zeros(DIMENSION, np.float32))


def _examples(classes: int = CLASSES, seed: int = 0) -> Examples:
    features, labels = _world(60, seed)
    rows = np.concatenate([np.flatnonzero(labels == each)[:8] for each in range(classes)])
    others = np.setdiff1d(np.arange(len(labels)), rows)
    return Examples(features[rows], np.eye(CLASSES, dtype=bool)[labels[rows]], features[others])


def _score(head: Head, classes: slice = slice(None)) -> float:
    features, labels = _world(40, seed=9)
    wanted = np.isin(labels, np.arange(CLASSES)[classes])
    embeddings = head.project(features[wanted])
    report = retrieval_metrics(embeddings, labels[wanted], embeddings, labels[wanted], exclude_self=True)
    return report.mean_average_precision


def test_tiles_that_it_never_saw_are_found_better() -> None:
    heads = list(fit_head(_base(), _examples(), RECIPE, seed=0))
    assert len(heads) == RECIPE.rounds
    assert _score(heads[-1]) > _score(_base()) + 0.08


def test_equal_seeds_give_equal_heads() -> None:
    first, again, other = (list(fit_head(_base(), _examples(), RECIPE, seed))[-1] for seed in (3, 3, 4))
    assert np.array_equal(first.weight, again.weight)
    assert np.array_equal(first.bias, again.bias)
    assert not np.array_equal(first.weight, other.weight)


def test_classes_that_nobody_labelled_stay_apart() -> None:
    head = list(fit_head(_base(), _examples(classes=3), RECIPE, seed=0))[-1]
    assert _score(head, slice(0, 3)) > _score(_base(), slice(0, 3)) + 0.03
    assert _score(head, slice(3, None)) > _score(_base(), slice(3, None)) - 0.02


def test_without_any_unlabelled_tile_it_learns_from_the_labels() -> None:
    examples = _examples()._replace(unlabelled=np.zeros((0, FEATURES), np.float32))
    assert _score(list(fit_head(_base(), examples, RECIPE, seed=0))[-1]) > _score(_base()) + 0.08


def test_a_channel_that_never_moves_does_no_harm() -> None:
    examples = _examples()
    for features in (examples.labelled, examples.unlabelled):
        features[:, -1] = 7.0
    head = list(fit_head(_base(), examples, RECIPE, seed=0))[-1]
    assert np.isfinite(head.weight).all()
    assert np.isfinite(head.bias).all()


def test_a_head_that_does_not_move_is_the_base() -> None:
    still = RECIPE.model_copy(update={"rate": 1e-9, "prototype_rate": 1e-9})
    head = list(fit_head(_base(), _examples(), still, seed=0))[-1]
    features, _ = _world(10)
    assert np.allclose(head.project(features), _base().project(features), atol=1e-5)


def test_projection_of_rows_takes_any_float_a_part_at_a_time() -> None:
    features, _ = _world(1000)
    rows = np.arange(len(features) - 1, -1, -1)
    whole = _base().project(features)
    assert np.allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-6)
    assert np.allclose(_base().project(features, rows), whole[::-1], atol=1e-6)
    assert np.allclose(_base().project(features.astype(np.float16)), whole, atol=1e-2)


@pytest.mark.parametrize("changes", [{"speed": 1}, {"tau": 0}, {"rounds": "many"}, {"margin": 2}, {"rate": float("nan")}])
def test_a_recipe_of_other_fields_or_values_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(HeadError, match=f"recipe: {next(iter(changes))}"):
        HeadRecipe.with_changes(changes)


def test_a_batch_has_as_many_rows_of_a_rare_class_as_of_a_frequent_one() -> None:
    targets = np.eye(3, dtype=bool)[np.repeat([0, 1, 2], [50, 8, 2])]
    batches = balanced_batches(targets, 30, np.random.default_rng(0))
    seen = np.zeros(len(targets), np.intp)
    for _ in range(5):
        rows = next(batches)
        assert targets[rows].sum(axis=0).tolist() == [10, 10, 10]
        np.add.at(seen, rows, 1)
    assert seen[:50].tolist() == [1] * 50  # each once before any twice
    assert seen[58:].tolist() == [25, 25]
