from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.bundle.neighbourhood import neighbour_overlap


def unit(count: int, dimension: int, seed: int, spread: float = 1.0) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    rows = spread * random.normal(size=(count, dimension)) + random.normal(size=(1, dimension))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def plainly(rows: NDArray[np.float32], k1: int, k2: int) -> list[float]:
    """Equations 1 to 10 of arXiv 1701.08398, one by one; row 0 is the query."""
    count = len(rows)
    cosines = rows.astype(np.float64) @ rows.T.astype(np.float64)
    np.fill_diagonal(cosines, 2)

    def near(tile: int, k: int) -> list[int]:
        return [int(each) for each in np.argsort(-cosines[tile], kind="stable")[: min(k, count - 1) + 1]]

    def reciprocal(tile: int, k: int) -> set[int]:
        return {other for other in near(tile, k) if tile in near(other, k)}

    encoded = np.zeros((count, count))
    for tile in range(count):
        members = reciprocal(tile, k1)
        for other in sorted(members):
            inner = reciprocal(other, round(k1 / 2))
            if 3 * len(reciprocal(tile, k1) & inner) >= 2 * len(inner):
                members |= inner
        for other in members:
            encoded[tile, other] = np.exp(-(2 - 2 * min(cosines[tile, other], 1)))
        encoded[tile] /= encoded[tile].sum()
    expanded = np.array([encoded[near(tile, min(k2, count) - 1)].mean(axis=0) for tile in range(count)])
    pairs = ((expanded[0], each) for each in expanded[1:])
    return [float(np.minimum(*pair).sum() / np.maximum(*pair).sum()) for pair in pairs]


@pytest.mark.parametrize(("count", "k1", "k2"), [(2, 20, 6), (5, 20, 6), (12, 6, 3), (30, 8, 1), (40, 20, 6), (61, 7, 6)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_is_the_papers_formula(count: int, k1: int, k2: int, seed: int) -> None:
    rows = unit(count, 6, seed)
    np.testing.assert_allclose(neighbour_overlap(rows[0], rows[1:], k1=k1, k2=k2), plainly(rows, k1, k2), atol=1e-5)


def test_tiles_of_the_querys_group_overlap_more() -> None:
    groups = np.concatenate([unit(30, 16, 3, 0.3), unit(30, 16, 4, 0.3)])
    found = neighbour_overlap(groups[0], groups[1:])
    assert found[:29].min() > found[29:].max()
    assert np.all((found >= 0) & (found <= 1))


def test_few_and_equal_candidates_are_no_exception() -> None:
    rows = unit(4, 8, 5)
    assert neighbour_overlap(rows[0], rows[:0]).shape == (0,)
    assert neighbour_overlap(rows[0], rows[1:2]).tolist() == [1]
    same = neighbour_overlap(rows[0], np.repeat(rows[:1], 50, axis=0))
    np.testing.assert_allclose(same, 1, atol=1e-6)


def test_the_order_of_the_candidates_does_not_matter() -> None:
    rows = unit(50, 8, 6)
    order = np.random.default_rng(0).permutation(49)
    found = neighbour_overlap(rows[0], rows[1:])
    np.testing.assert_allclose(neighbour_overlap(rows[0], rows[1:][order]), found[order], atol=1e-6)
