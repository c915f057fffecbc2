"""The head that training starts from."""

from __future__ import annotations

import numpy as np

from models.heads.linear_head import Head
from models.heads.starting_head import LONGEST, starting_head


def square(width: int) -> Head:
    return Head(np.eye(width, dtype=np.float32), np.zeros(width, np.float32))


def test_a_short_head_is_kept() -> None:
    head = square(LONGEST)
    assert starting_head(head, np.zeros((3, LONGEST), np.float16), 0) is head


def test_a_long_head_is_shortened_with_nearly_the_same_cosines() -> None:
    width, rank = LONGEST + 200, 40
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(300, rank)) @ rng.normal(size=(rank, width))).astype(np.float16)
    features = features + rng.normal(0, 0.05, features.shape).astype(np.float16)
    long = square(width)
    short = starting_head(long, features, 0)
    assert (short.dimension, short.feature_dimension) == (LONGEST, width)
    np.testing.assert_allclose(short.weight @ short.weight.T, np.eye(LONGEST), atol=1e-4)
    before, after = long.project(features), short.project(features)
    np.testing.assert_allclose(after @ after.T, before @ before.T, atol=0.01)
