from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.domain.queries.search import TileFilter
from app.domain.tiles import Embeddings
from app.stores.vectors.edge.edge_store import EdgeVectorStore
from app.stores.vectors.edge.table.search_table import SearchTable
from app.stores.vectors.edge.tabled_index import TabledIndex
from tests.app.stores.vectors.edge.test_edge_store import INDEX, QUERY, tiles, vectors

LABELLED = TileFilter(labels=("b",))


def opened(store: EdgeVectorStore) -> TabledIndex:
    return store._index(INDEX)


def filled(root: Path, count: int = 300, table_from: int = 0) -> EdgeVectorStore:
    store = EdgeVectorStore(root, reserve=0, table_from=table_from)
    store.create_index(INDEX, 4)
    store.upsert(INDEX, tiles(range(count)), vectors(count))
    return store


def ids(store: EdgeVectorStore, **options: Any) -> list[str]:
    found = store.search(INDEX, QUERY, limit=1000, filter=options.get("filter", TileFilter()))
    return [hit.tile.id for hit in found]


def test_a_table_follows_every_write(tmp_path: Path) -> None:
    store = filled(tmp_path)
    opened(store).wait_for_table()
    known = tiles(range(310))
    store.upsert(INDEX, known[300:], vectors(10))
    store.set_labels(INDEX, {known[5].id: ("b",), known[305].id: ("b", "c")})
    store.delete(INDEX, [known[0].id, known[301].id])
    assert opened(store).look_cost > 300, "the table answers"
    assert set(ids(store)) == {tile.id for tile in known} - {known[0].id, known[301].id}
    assert set(ids(store, filter=LABELLED)) == {known[5].id, known[305].id}
    assert store.count(INDEX, LABELLED) == 2
    assert dict(store.facet(INDEX, "labels", filter=TileFilter())) == {"a": 306, "b": 2, "c": 1}
    store.upsert(INDEX, [known[0]], Embeddings(QUERY[None]))
    assert ids(store)[0] == known[0].id, "a deleted point that is written again"
    assert [tile.id for tile in store.scroll(INDEX, limit=5, filter=LABELLED).tiles] == sorted([known[5].id, known[305].id])
    store.close()


def test_embeddings_of_a_shortlist_are_the_tables(tmp_path: Path) -> None:
    store = filled(tmp_path)
    known = [tile.id for tile in tiles(range(300))]
    wish: dict[str, Any] = {"limit": 20, "filter": TileFilter(), "embeddings": True}
    of_engine = store.shortlist(INDEX, QUERY, **wish)
    opened(store).wait_for_table()
    of_table = store.shortlist(INDEX, QUERY, **wish)
    assert of_table.ids == of_engine.ids
    assert of_table.embeddings is not None and of_engine.embeddings is not None
    np.testing.assert_allclose(of_table.embeddings, of_engine.embeddings, atol=1e-6)
    store.delete(INDEX, known[:2])
    found = opened(store).retrieve([*known[:4], "00000000-0000-4000-8000-000000000000"], ["embedding", "source"])
    assert sorted(found) == sorted(known[2:4])
    assert all(set(payload) == {"embedding", "source"} for payload in found.values())
    store.close()


def test_writes_while_a_table_is_built_are_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(tmp_path)
    begun, go_on = threading.Event(), threading.Event()
    upsert = SearchTable.upsert

    def slow(self: SearchTable, points: Any) -> None:
        begun.set()
        assert go_on.wait(30)
        upsert(self, points)

    monkeypatch.setattr(SearchTable, "upsert", slow)
    assert len(ids(store)) == 300, "the engine answers before"
    assert begun.wait(30)
    known = tiles(range(302))
    store.upsert(INDEX, known[300:], vectors(2))
    store.delete(INDEX, [known[1].id])
    store.set_labels(INDEX, {known[2].id: ("b",)})
    go_on.set()
    opened(store).wait_for_table()
    assert opened(store).look_cost > 300
    assert set(ids(store)) == {tile.id for tile in known} - {known[1].id}
    assert ids(store, filter=LABELLED) == [known[2].id]
    store.close()


def test_the_table_of_a_clean_end_is_used_once(tmp_path: Path) -> None:
    store = filled(tmp_path)
    opened(store).wait_for_table()
    store.set_labels(INDEX, {tiles(range(3))[2].id: ("b",)})
    before = ids(store), ids(store, filter=LABELLED)
    store.close()
    again = EdgeVectorStore(tmp_path, reserve=0)
    assert opened(again).look_cost > 300, "read, not built: the index is too small for that"
    assert (ids(again), ids(again, filter=LABELLED)) == before
    again.upsert(INDEX, tiles(range(300, 302)), vectors(2))
    assert len(ids(again)) == 302
    shutil.copytree(tmp_path, tmp_path.with_name("killed"))
    after_kill = EdgeVectorStore(tmp_path.with_name("killed"), reserve=0)
    assert opened(after_kill).look_cost == 300
    assert len(ids(after_kill)) == 302
    after_kill.close()
    again.close()


@pytest.mark.parametrize("damage", ["cut", "of another end", "vectors cut"])
def test_files_that_do_not_fit_are_not_used(tmp_path: Path, damage: str) -> None:
    store = filled(tmp_path)
    opened(store).wait_for_table()
    store.close()
    rows, exact = (tmp_path / INDEX / "table" / name for name in ("rows.npz", "vectors.f32"))
    kept = rows.read_bytes()
    if damage == "cut":
        rows.write_bytes(kept[: len(kept) // 2])
    elif damage == "vectors cut":
        exact.write_bytes(exact.read_bytes()[:-16])
    else:
        other = EdgeVectorStore(tmp_path, reserve=0)
        other.upsert(INDEX, tiles(range(1)), vectors(1))
        other.close()
        rows.write_bytes(kept)
    again = EdgeVectorStore(tmp_path, reserve=0)
    assert opened(again).look_cost == 300
    assert len(ids(again)) == 300
    again.close()


def test_without_room_for_a_table_the_engine_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    store = filled(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        opened(store).wait_for_table()
    assert "No space left" in caplog.text
    assert len(ids(store)) == 300
    store.close()
    again = EdgeVectorStore(tmp_path, reserve=0, table_from=0)
    opened(again).wait_for_table()
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        again.upsert(INDEX, tiles(range(300, 1400)), vectors(1100))
    assert "filters are slower" in caplog.text
    found = again.search(INDEX, QUERY, limit=2000, filter=TileFilter())
    assert len(found) == 1400
    again.close()


@pytest.mark.parametrize("fault", ["too few points", "unreadable"])
def test_a_table_that_cannot_be_built_is_tried_again_only_when_the_index_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    upsert, builds = SearchTable.upsert, []

    def faulty(self: SearchTable, points: Any) -> None:
        if fault == "unreadable":
            builds.append(len(points))
            raise ValueError("not a time")
        builds.append(len(points))
        upsert(self, points[1:])

    store = filled(tmp_path, count=150)
    with monkeypatch.context() as patch:
        patch.setattr(SearchTable, "upsert", faulty)
        opened(store).wait_for_table()
        for _ in range(3):
            assert len(ids(store)) == 150, "the engine answers"
            opened(store).wait_for_table()
    assert len(builds) == 1
    assert "it has 149 points, the index 150" in caplog.text or "not a time" in caplog.text
    store.delete(INDEX, [tiles(range(1))[0].id])
    opened(store).wait_for_table()
    assert opened(store).look_cost > 300, "built after the change"
    assert len(ids(store)) == 149
    store.close()


def test_a_small_index_has_no_table(tmp_path: Path) -> None:
    store = filled(tmp_path, table_from=301)
    opened(store).wait_for_table()
    assert opened(store).look_cost == 300
    assert np.allclose(store.search(INDEX, QUERY, limit=1, filter=TileFilter())[0].score, max(vectors(300).embedding[:, 0]))
    store.close()
    assert not (tmp_path / INDEX / "table").exists()
