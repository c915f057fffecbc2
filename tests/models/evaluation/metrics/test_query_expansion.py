"""Query expansion is the weighted mean of the query and its nearest items."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.evaluation.errors import EvaluationError
from models.evaluation.metrics.query_expansion import expand_queries


def unit(count: int, seed: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, 6)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


@pytest.mark.parametrize("power", [0.0, 3.0])
def test_it_is_the_weighted_mean(power: float) -> None:
    queries, database = unit(4, 1), unit(9, 2)
    found = expand_queries(queries, database, 3, power=power)
    for query, row in zip(queries, found, strict=True):
        cosines = database @ query
        best = np.argsort(-cosines)[:3]
        total = query + sum(max(cosines[item], 0) ** power * database[item] for item in best)
        np.testing.assert_allclose(row, total / np.linalg.norm(total), atol=1e-5)


def test_a_query_does_not_join_itself() -> None:
    database = unit(5, 3)
    own = np.arange(5)
    found = expand_queries(database, database, 4, own=own, power=0)
    total = database.sum(axis=0)
    np.testing.assert_allclose(found, np.broadcast_to(total / np.linalg.norm(total), found.shape), atol=1e-5)


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(EvaluationError, match="at least 1 item"):
        expand_queries(unit(1, 1), unit(3, 2), 0)
