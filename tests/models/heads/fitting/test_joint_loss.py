"""The joint loss in NumPy. `test_joint_loss_torch.py` compares it with that of models/losses."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.heads.fitting.joint_loss import (
    JointLoss,
    Parameters,
    high_rankness,
    similarity_change,
    softmax_with_margin,
    to_unit,
)

DIMENSION, FEATURES, CLASSES = 6, 10, 5


def _random(*shape: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def _parameters(seed: int = 0) -> Parameters:
    return Parameters(
        _random(DIMENSION, FEATURES, seed=seed), _random(DIMENSION, seed=seed), _random(CLASSES, DIMENSION, seed=seed)
    )


def _one_hot(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray(np.eye(CLASSES, dtype=bool)[labels])


@pytest.mark.parametrize("retain", [0.0, 2.0])
def test_gradients_of_several_labels_are_those_of_small_steps(retain: float) -> None:
    targets = np.random.default_rng(3).random((12, CLASSES)) < 0.4
    targets[np.arange(12), np.arange(12) % CLASSES] = True
    assert targets.sum(axis=1).max() > 1
    loss, parameters = JointLoss(tau=0.3, margin=0.3, rankness=0.5, keep=0.8, retain=retain), _parameters()
    labelled, unlabelled = _random(12, FEATURES), _random(9, FEATURES, seed=1)
    were = to_unit(_random(9, DIMENSION, seed=2)).rows
    gradients = loss(parameters, labelled, targets, unlabelled, were)[1]
    step = 1e-6
    for place, gradient in enumerate(gradients):
        for index in [(0,) * gradient.ndim, (-1,) * gradient.ndim]:
            values = []
            for sign in (1, -1):
                moved = [each.copy() for each in parameters]
                moved[place][index] += sign * step
                values.append(loss(Parameters(*moved), labelled, targets, unlabelled, were)[0])
            assert (values[0] - values[1]) / (2 * step) == pytest.approx(float(gradient[index]), abs=1e-6)


def test_a_tile_of_several_labels_counts_for_each_and_none_of_them_against_it() -> None:
    directions = np.eye(3)
    both = np.array([[True, True, False]])
    between = to_unit(np.array([[1.0, 1.0, 0.0]])).rows
    value, on_embeddings, _ = softmax_with_margin(between, both, directions, tau=0.1, margin=0.0)
    cosine = np.sqrt(0.5)
    assert value == pytest.approx(np.log(1 + np.exp(-cosine / 0.1)))
    assert on_embeddings[0, 0] == pytest.approx(on_embeddings[0, 1])
    assert on_embeddings[0, 0] < 0 < on_embeddings[0, 2]


def test_past_pi_the_loss_keeps_rising_with_the_angle() -> None:
    directions = np.array([[1.0, 0.0], [0.0, 1.0]])
    angles = np.linspace(np.pi - 0.6, np.pi - 1e-3, 20)
    values = [
        softmax_with_margin(np.array([[np.cos(a), -np.sin(a)]]), np.array([[True, False]]), directions, tau=0.5, margin=0.5)[0]
        for a in angles
    ]
    assert np.all(np.diff(values) > 0)


def test_equal_predictions_have_rank_one_and_a_finite_gradient() -> None:
    embeddings = to_unit(np.ones((4, 3))).rows
    value, on_embeddings, on_directions = high_rankness(embeddings, np.eye(3), tau=1.0)
    assert value == pytest.approx(-np.sqrt(4 / 3) / 3)
    assert np.isfinite(on_embeddings).all()
    assert np.isfinite(on_directions).all()


def test_rows_that_resemble_no_class_are_predicted_to_be_none_and_left_alone() -> None:
    directions = np.eye(2, 4)
    like_one = to_unit(np.array([[1.0, 0.3, 0.2, 0.0]])).rows
    like_none = to_unit(np.array([[0.2, 0.1, 1.0, 1.0]])).rows
    rows = np.concatenate([like_one, like_none])
    step = 1e-6
    _, on_rows, on_directions = high_rankness(rows, directions, tau=0.1, none=0.7)
    moved = rows.copy()
    moved[0, 1] += step
    values = [high_rankness(each, directions, tau=0.1, none=0.7)[0] for each in (rows, moved)]
    assert (values[1] - values[0]) / step == pytest.approx(float(on_rows[0, 1]), abs=1e-5)
    assert on_directions.shape == directions.shape
    closed = high_rankness(rows, directions, tau=0.1)[1]
    assert np.linalg.norm(on_rows[1]) < 0.1 * np.linalg.norm(closed[1])


def test_a_common_rotation_changes_no_similarity() -> None:
    before = to_unit(_random(9, DIMENSION)).rows
    rotation = np.linalg.qr(_random(DIMENSION, DIMENSION))[0]
    value, gradient = similarity_change(before @ rotation, before)
    assert value == pytest.approx(0, abs=1e-12)
    assert np.allclose(gradient, 0)
    assert similarity_change(to_unit(_random(9, DIMENSION, seed=3)).rows, before)[0] > 0.01


def test_float32_stays_float32() -> None:
    parameters = Parameters(*(each.astype(np.float32) for each in _parameters()))
    labelled, unlabelled = _random(8, FEATURES).astype(np.float32), _random(8, FEATURES, seed=1).astype(np.float32)
    were = np.zeros((8, DIMENSION), dtype=np.float32)
    value, gradients = JointLoss(keep=1.0, open_world=True, retain=1.0)(
        parameters, labelled, _one_hot(np.arange(8) % CLASSES), unlabelled, were
    )
    assert np.isfinite(value)
    assert {each.dtype for each in gradients} == {np.dtype(np.float32)}
