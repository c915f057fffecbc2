from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.stores.vectors.edge.table import quantised_vectors
from app.stores.vectors.edge.table.quantised_vectors import QuantisedVectors

D = 24


def clustered(count: int) -> NDArray[np.float32]:
    """Vectors that differ by less than int8 can show, and one that int8 shows badly."""
    random = np.random.default_rng(0)
    rows = random.standard_normal((count, D)) * 0.001 + random.standard_normal((5, D))[random.integers(0, 5, count)]
    rows[7] = np.eye(D)[3] + 1e-4
    return rows.astype(np.float32)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.05])
@pytest.mark.parametrize("limit", [1, 10, 700])
def test_the_nearest_are_those_of_a_plain_scan(tmp_path: Path, share: float, limit: int) -> None:
    rows = clustered(2000)
    vectors = QuantisedVectors(tmp_path / "table" / "vectors", D)
    for start in range(0, len(rows), 300):
        part = np.arange(start, min(start + 300, len(rows)))
        vectors.resize(int(part[-1]) + 1)
        vectors.set(part, rows[part])
    random = np.random.default_rng(1)
    chosen = None if share == 1 else np.flatnonzero(random.random(len(rows)) < share)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for query in (rows[3] * 5, rows[7], random.standard_normal(D).astype(np.float32)):
        found, scores = vectors.nearest(query, limit, chosen)
        among = np.arange(len(rows)) if chosen is None else chosen
        exact = np.sort(unit[among] @ (query / np.linalg.norm(query)))[::-1][:limit]
        assert scores == pytest.approx(exact, abs=2e-6)
        assert len(set(found.tolist())) == len(found) == min(limit, len(among))
        assert set(found.tolist()) <= set(among.tolist())


@pytest.mark.parametrize("part", [1, 24 * 700])
def test_parts_of_several_threads_are_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    rows = clustered(2000)
    vectors = QuantisedVectors(tmp_path / "table" / "vectors", D)
    vectors.resize(len(rows))
    vectors.set(np.arange(len(rows)), rows)
    whole = vectors.nearest(rows[3], 50, None)
    monkeypatch.setattr(quantised_vectors, "_PART", part)
    monkeypatch.setattr(quantised_vectors, "_THREADS", 3)
    found = vectors.nearest(rows[3], 50, None)
    assert [each.tolist() for each in found] == [each.tolist() for each in whole]


def test_a_vector_of_zeros_is_similar_to_nothing(tmp_path: Path) -> None:
    vectors = QuantisedVectors(tmp_path / "table" / "vectors", D)
    vectors.resize(2)
    vectors.set(np.arange(2), np.stack([np.zeros(D), np.ones(D)]).astype(np.float32))
    found, scores = vectors.nearest(np.ones(D, np.float32), 2, None)
    assert found.tolist() == [1, 0]
    assert scores == pytest.approx([1, 0])
