"""The tiles on which two indexes are compared, and their relevance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score  # type: ignore[import-untyped]

from app.domain.naming.ids import tile_id
from app.domain.tiles import Embeddings, Tile
from app.ports import VectorStore
from app.services.reindex.judging import evaluation_queries
from app.services.reindex.judging.comparison import (
    Space,
    chance_of_labels,
    compare_neighbours,
    precisions,
    share_of_known,
)
from app.services.reindex.judging.evaluation_queries import EvaluationTiles, read_rows, read_tiles
from app.stores.vectors.edge.edge_store import EdgeVectorStore

OLD, NEW = "a.m.1", "a.m.2"


@pytest.fixture
def vectors(tmp_path: Path) -> Iterator[VectorStore]:
    store = EdgeVectorStore(tmp_path, reserve=0)
    for index in (OLD, NEW):
        store.create_index(index, 6)
    yield store
    store.close()


def put(vectors: VectorStore, labels: Sequence[tuple[str, ...]], indexes: Sequence[str] = (OLD, NEW)) -> list[str]:
    ids = [tile_id("a", str(number), "") for number in range(len(labels))]
    now = datetime(2024, 1, 1, tzinfo=UTC)
    tiles = [Tile(item, item, item, item, item, now, labels=own) for item, own in zip(ids, labels, strict=True)]
    for seed, index in enumerate(indexes):
        rows = np.random.default_rng(seed).normal(size=(len(ids), 6)).astype(np.float32)
        vectors.upsert(index, tiles, Embeddings(rows / np.linalg.norm(rows, axis=1, keepdims=True)))
    return ids


def test_every_labelled_tile_with_a_like_is_a_query(vectors: VectorStore) -> None:
    labels = [("even",) if number % 2 == 0 else () for number in range(60)]
    ids = put(vectors, [*labels, ("single",)])
    tiles = read_tiles(vectors, OLD, NEW)
    assert set(tiles.ids) == set(ids)
    assert {tiles.ids[row] for row in tiles.queries()} == set(ids[:60:2])
    assert {tiles.ids[row] for row in tiles.others()} == set(ids[1:60:2])
    assert set(tiles.queries(tiles.held_out)) == set(tiles.queries()) & set(np.flatnonzero(tiles.held_out))


def test_there_may_be_no_tiles(vectors: VectorStore) -> None:
    tiles = read_tiles(vectors, OLD, NEW)
    assert (tiles.ids, len(tiles.queries()), len(tiles.others())) == ((), 0, 0)
    assert compare_neighbours(tiles, np.arange(0)) is None


def test_their_numbers_are_bounded_and_even_over_the_labels(vectors: VectorStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("MAX_TILES", 100), ("MAX_LABELLED", 60), ("MAX_QUERIES", 12), ("PAGE", 16)):
        monkeypatch.setattr(evaluation_queries, name, value)
    put(vectors, [("rare",) if number % 20 == 0 else ("common",) if number % 2 else () for number in range(300)])
    tiles = read_tiles(vectors, OLD, NEW)
    assert len(tiles.ids) == 100
    assert tiles.is_labelled.sum() == 60
    queries = tiles.queries()
    assert len(queries) == 12
    assert tiles.labels[queries].sum(axis=0).min() >= 3


def test_tiles_that_one_index_lacks_are_left_out(vectors: VectorStore) -> None:
    ids = put(vectors, [("a",)] * 80)
    vectors.delete(NEW, ids[:3])
    assert set(read_tiles(vectors, OLD, NEW).ids) == set(ids[3:])
    assert set(read_rows(vectors, NEW, ids)) == set(ids[3:])


def test_precisions_are_those_of_a_plain_recomputation(vectors: VectorStore) -> None:
    labels = [tuple(sorted({f"l{number % 3}", f"m{number % 4}"})) if number % 5 else () for number in range(120)]
    own = dict(zip(put(vectors, labels), map(frozenset, labels), strict=True))
    tiles = read_tiles(vectors, OLD, NEW)
    queries = tiles.queries()
    rows = read_rows(vectors, OLD, tiles.ids)
    expected = []
    for query in (tiles.ids[row] for row in queries):
        others = [item for item in tiles.ids if item != query]
        relevant = [bool(own[query] & own[item]) for item in others]
        expected.append(average_precision_score(relevant, [rows[query] @ rows[item] for item in others]))
    np.testing.assert_allclose(precisions(tiles, queries, Space.of(tiles.old.embeddings)), expected, atol=1e-5)


def test_an_index_has_the_neighbours_of_itself(vectors: VectorStore) -> None:
    put(vectors, [()] * 90)
    same, other = read_tiles(vectors, OLD, OLD), read_tiles(vectors, OLD, NEW)
    found = compare_neighbours(same, same.others())
    assert found is not None
    assert (found.overlap, found.agreement) == (1.0, 1.0)
    found = compare_neighbours(other, other.others())
    assert found is not None
    assert found.overlap < 0.4
    assert found.agreement < 0.5


def clustered(vectors: VectorStore, seed: int, *, shuffled: bool = False, labelled: int = 3) -> EvaluationTiles:
    """Tiles of six clusters; those of the first ones have labels."""
    random = np.random.default_rng(seed)
    numbers = np.repeat(np.arange(6), 30)
    rows = np.eye(6, dtype=np.float32)[numbers] + random.normal(scale=0.15, size=(180, 6)).astype(np.float32)
    names = random.permutation(numbers[: 30 * labelled]) if shuffled else numbers[: 30 * labelled]
    labels: list[tuple[str, ...]] = [(str(name),) if place % 30 < 10 else () for place, name in enumerate(names)]
    ids = put(vectors, [*labels, *[()] * (180 - len(labels))])
    page = [vectors.retrieve(OLD, ids)[item] for item in ids]
    for index in (OLD, NEW):
        vectors.upsert(index, page, Embeddings(rows / np.linalg.norm(rows, axis=1, keepdims=True)))
    return read_tiles(vectors, OLD, NEW)


@pytest.mark.parametrize("seed", range(3))
def test_random_labels_are_told_from_labels_of_what_is_seen(vectors: VectorStore, seed: int) -> None:
    tiles = clustered(vectors, seed)
    assert chance_of_labels(tiles, tiles.queries(), Space.of(tiles.old.embeddings)) <= 0.01
    tiles = clustered(vectors, seed, shuffled=True)
    assert chance_of_labels(tiles, tiles.queries(), Space.of(tiles.old.embeddings)) > 0.01


@pytest.mark.parametrize(("labelled", "expected"), [(2, 1 / 3), (4, 2 / 3), (6, 1.0)])
def test_the_share_of_labelled_classes_is_estimated(vectors: VectorStore, labelled: int, expected: float) -> None:
    tiles = clustered(vectors, 0, labelled=labelled)
    assert share_of_known(tiles, tiles.queries()) == pytest.approx(expected, abs=0.12)
