from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.services.search import recent_queries
from app.services.search.recent_queries import RecentQueries, RecentQuery
from app.stores.blobs.object_blobs import ObjectBlobs
from app.stores.local_locks import LocalLocks


def kept(folder: Path, limit: int) -> RecentQueries:
    return RecentQueries(ObjectBlobs(folder), limit, LocalLocks())


def upload(seed: int, side: int = 16) -> RecentQuery:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return RecentQuery(("a",), (), pixels)


def test_a_restart_keeps_them(tmp_path: Path) -> None:
    first = kept(tmp_path, 10)
    first.start()
    for query in (RecentQuery(("a",)), RecentQuery(("b",), ("c", "d")), upload(0)):
        first.note("x", query)
    first.close()
    again = kept(tmp_path, 10)
    again.note("x", RecentQuery(("e",)))
    found = again.of("x")
    assert [query.positives for query in found] == [("e",), ("a",), ("b",), ("a",)]
    assert [query.negatives for query in found] == [(), (), ("c", "d"), ()]
    np.testing.assert_array_equal(found[1].pixels, upload(0).pixels)
    assert found[0].pixels is None
    assert again.of("y") == []


def test_what_an_earlier_process_wrote_is_not_lost_by_writing_again(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        queries = kept(tmp_path, 10)
        queries.note("x", RecentQuery((name,)))
        queries.close()
    assert [query.positives for query in kept(tmp_path, 10).of("x")] == [("c",), ("b",), ("a",)]


def test_the_same_again_is_one_and_the_latest(tmp_path: Path) -> None:
    queries = kept(tmp_path, 10)
    for query in (upload(1), RecentQuery(("b",)), upload(1)):
        queries.note("x", query)
    assert [query.positives for query in queries.of("x")] == [("a",), ("b",)]


def test_the_oldest_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queries = kept(tmp_path, 3)
    for number in range(5):
        queries.note("x", RecentQuery((str(number),)))
    assert [query.positives for query in queries.of("x")] == [("4",), ("3",), ("2",)]
    monkeypatch.setattr(recent_queries, "MAX_BYTES", 2 * upload(0).size)
    for seed in range(3):
        queries.note("y", upload(seed))
    assert len(queries.of("y")) == 2


def test_none_is_kept_where_none_is_wanted(tmp_path: Path) -> None:
    queries = kept(tmp_path, 0)
    queries.start()
    queries.note("x", RecentQuery(("a",)))
    queries.close()
    assert queries.of("x") == []
    assert list(ObjectBlobs(tmp_path).keys("queries/")) == []


def test_a_deleted_collection_has_none(tmp_path: Path) -> None:
    queries = kept(tmp_path, 10)
    queries.note("x", upload(0))
    queries.close()
    queries.note("x", upload(1))
    queries.delete("x")
    queries.close()
    assert queries.of("x") == []
    assert list(ObjectBlobs(tmp_path).keys("queries/")) == []


def test_a_broken_file_is_forgotten(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blobs = ObjectBlobs(tmp_path)
    blobs.put("queries/x.npz", b"no archive")
    assert RecentQueries(blobs, 10, LocalLocks()).of("x") == []
    assert "cannot be read" in caplog.text


def test_several_processes_add_to_what_the_others_wrote(tmp_path: Path) -> None:
    one, other = kept(tmp_path, 3), kept(tmp_path, 3)
    one.note("x", RecentQuery(("a",)))
    other.note("x", RecentQuery(("b",)))
    one.close()
    other.close()
    assert [query.positives for query in one.of("x")] == [("b",), ("a",)]
    one.note("x", RecentQuery(("c",)))
    other.note("x", RecentQuery(("d",)))
    other.close()
    one.close()
    assert [query.positives for query in other.of("x")] == [("c",), ("d",), ("b",)]


def test_what_cannot_be_written_is_written_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    queries = kept(tmp_path / "blobs", 2)
    queries.note("x", RecentQuery(("a",)))
    (tmp_path / "blobs").rmdir()
    queries.close()
    assert "could not be written" in caplog.text
    (tmp_path / "blobs").mkdir()
    queries.note("x", RecentQuery(("b",)))
    queries.close()
    assert [query.positives for query in kept(tmp_path / "blobs", 2).of("x")] == [("b",), ("a",)]
