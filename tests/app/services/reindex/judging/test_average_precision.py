from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score  # type: ignore[import-untyped]

from app.services.reindex.judging.average_precision import average_precision


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("levels", [2, 7, 1_000_000])
def test_it_is_what_scikit_learn_says_ties_included(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    scores = (rng.integers(0, levels, 60) / levels).astype(np.float32)
    relevant = rng.uniform(size=60) < 0.2
    relevant[int(rng.integers(60))] = True
    assert average_precision(scores, relevant) == pytest.approx(average_precision_score(relevant, scores), abs=1e-9)


def test_the_ends_of_the_scale() -> None:
    scores = np.array([3, 2, 1, 0], np.float32)
    assert average_precision(scores, np.array([True, True, False, False])) == 1.0
    assert average_precision(scores, np.array([False, False, False, True])) == 0.25
    assert average_precision(np.zeros(4, np.float32), np.array([True, False, False, False])) == 0.25
