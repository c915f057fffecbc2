from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score  # type: ignore[import-untyped]

from app.domain.held_out import is_held_out
from app.domain.ids import tile_id
from app.domain.tiles import Embeddings, Tile
from app.ports import VectorStore
from app.services.reindex.evaluation_queries import (
    MAX_QUERIES,
    MAX_TILES,
    draw_evaluation_queries,
    mean_average_precision,
    read_rows,
)
from app.stores.vectors.edge.edge_store import EdgeVectorStore

INDEX = "a.m.1"


@pytest.fixture
def vectors(tmp_path: Path) -> Iterator[VectorStore]:
    store = EdgeVectorStore(tmp_path, reserve=0)
    store.create_index(INDEX, 6)
    yield store
    store.close()


def put(vectors: VectorStore, labels: Sequence[tuple[str, ...]], seed: int = 0) -> list[str]:
    ids = [tile_id("a", str(number), "") for number in range(len(labels))]
    now = datetime(2024, 1, 1, tzinfo=UTC)
    tiles = [Tile(item, item, item, item, item, now, labels=own) for item, own in zip(ids, labels, strict=True)]
    rows = np.random.default_rng(seed).normal(size=(len(ids), 6)).astype(np.float32)
    vectors.upsert(INDEX, tiles, Embeddings(rows / np.linalg.norm(rows, axis=1, keepdims=True)))
    return ids


def test_only_held_out_tiles_with_labels_are_golden(vectors: VectorStore) -> None:
    labels = [("even",) if number % 2 == 0 else () for number in range(400)]
    ids = put(vectors, labels)
    queries = draw_evaluation_queries(vectors, INDEX)
    assert set(queries.ids) == {item for item, own in zip(ids, labels, strict=True) if own and is_held_out(item)}
    assert queries.queries == len(queries.ids)
    assert draw_evaluation_queries(vectors, INDEX) == queries


def test_a_label_that_nobody_shares_asks_nothing(vectors: VectorStore) -> None:
    ids = put(vectors, [("even", f"own {number}") if number % 2 else (f"alone {number}",) for number in range(200)])
    queries = draw_evaluation_queries(vectors, INDEX)
    odd = {item for item in ids[1::2] if is_held_out(item)}
    assert set(queries.ids[: queries.queries]) == odd
    assert set(queries.ids) == {item for item in ids if is_held_out(item)}


def test_there_may_be_none(vectors: VectorStore) -> None:
    assert draw_evaluation_queries(vectors, INDEX).ids == ()
    put(vectors, [()] * 30)
    assert draw_evaluation_queries(vectors, INDEX).queries == 0


def test_their_number_is_bounded(vectors: VectorStore) -> None:
    put(vectors, [("same",)] * 11_000)
    queries = draw_evaluation_queries(vectors, INDEX)
    assert (len(queries.ids), queries.queries) == (MAX_TILES, MAX_QUERIES)
    assert len(set(queries.ids)) == MAX_TILES


def test_mean_average_precision_is_that_of_a_plain_recomputation(vectors: VectorStore) -> None:
    labels = [tuple(sorted({f"l{number % 3}", f"m{number % 4}"})) for number in range(150)]
    put(vectors, labels)
    queries = draw_evaluation_queries(vectors, INDEX)
    rows = read_rows(vectors, INDEX, queries.ids)
    found = []
    for query, own in list(zip(queries.ids, queries.labels, strict=True))[: queries.queries]:
        others = [(item, theirs) for item, theirs in zip(queries.ids, queries.labels, strict=True) if item != query]
        scores = [rows[query] @ rows[item] for item, _ in others]
        found.append(average_precision_score([bool(own & theirs) for _, theirs in others], scores))
    assert mean_average_precision(queries, rows) == pytest.approx(np.mean(found), abs=1e-5)


def test_tiles_that_are_gone_are_left_out(vectors: VectorStore) -> None:
    ids = put(vectors, [("a",)] * 250)
    queries = draw_evaluation_queries(vectors, INDEX)
    vectors.delete(INDEX, queries.ids[:3])
    rows = read_rows(vectors, INDEX, queries.ids)
    assert set(rows) == set(queries.ids[3:])
    assert set(queries.only(rows).ids) == set(rows)
    assert set(read_rows(vectors, INDEX, ids)) == set(ids) - set(queries.ids[:3])
