"""Records of indexes: which are whole, which are kept, which a crash left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.errors import Conflict
from app.services.catalogue.indexes import Indexes
from app.stores.blobs.object_blobs import ObjectBlobs
from app.stores.vectors.edge.edge_store import EdgeVectorStore


@dataclass
class Stores:
    vectors: EdgeVectorStore
    indexes: Indexes


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    vectors = EdgeVectorStore(tmp_path / "vectors", reserve=0)
    yield Stores(vectors, Indexes(vectors, ObjectBlobs(tmp_path / "blobs")))
    vectors.close()


def begin(stores: Stores, collection: str, model: str, job: str | None = None) -> str:
    """Begin an index and make it, as services do."""
    index = stores.indexes.begin(collection, model, job)
    if index not in stores.vectors.indexes():
        stores.vectors.create_index(index, 4)
    return index


def names(stores: Stores, collection: str = "a") -> list[str]:
    return [record.index for record in stores.indexes.whole(collection)]


def test_an_index_is_whole_when_it_is_finished(stores: Stores) -> None:
    index = begin(stores, "a", "m", "job")
    assert index == "a.m.1"
    assert names(stores) == []
    stores.indexes.finish(index, {"switched": True})
    record = stores.indexes.record(index)
    assert record is not None
    assert (record.job, record.outcome, record.name.version) == ("job", {"switched": True}, "m.1")
    assert names(stores) == ["a.m.1"]


def test_a_job_goes_on_with_the_index_that_it_began(stores: Stores) -> None:
    first = begin(stores, "a", "m", "job")
    assert begin(stores, "a", "m", "job") == first
    assert begin(stores, "a", "m", "another") == "a.m.2"
    stores.vectors.drop_index(first)  # as if the process had died between the record and the index
    assert begin(stores, "a", "m", "job") == first
    assert stores.vectors.stats(first).size == 0


def test_numbers_count_by_model_even_where_one_name_begins_another(stores: Stores) -> None:
    assert [begin(stores, "a", model) for model in ("m", "m.1", "m", "m.1", "m.1.1")] == [
        "a.m.1", "a.m.1.1", "a.m.2", "a.m.1.2", "a.m.1.1.1",
    ]  # fmt: skip
    with pytest.raises(Conflict):
        stores.vectors.create_index("a.m.1", 4)


def test_an_index_from_before_there_were_records_gets_one_when_it_retires(stores: Stores) -> None:
    stores.vectors.create_index("a.m.1", 4)
    then = datetime(2024, 1, 1, tzinfo=UTC)
    stores.indexes.retire("a.m.1", then)
    record = stores.indexes.record("a.m.1")
    assert record is not None
    assert (record.built_at, record.size) == (then, 0)
    stores.indexes.retire("a.m.1", datetime.now(UTC))
    again = stores.indexes.record("a.m.1")
    assert again is not None
    assert again.built_at == then


def test_only_the_newest_are_kept_beside_the_live_one(stores: Stores) -> None:
    for _ in range(5):
        stores.indexes.finish(begin(stores, "a", "m"))
    stores.indexes.finish(begin(stores, "b", "m"))
    stores.indexes.drop_old("a", "a.m.2")
    assert names(stores) == ["a.m.5", "a.m.4", "a.m.2"]
    assert names(stores, "b") == ["b.m.1"]


def test_live_complete_and_unfinished_indexes_of_active_jobs_are_not_garbage(stores: Stores) -> None:
    live, whole, under_way, dead = (begin(stores, "a", "m", job) for job in ("1", "2", "3", "4"))
    stores.vectors.set_alias("a", live)
    stores.indexes.finish(whole)
    stores.vectors.create_index("a.m.9", 4)
    assert stores.indexes.garbage(lambda job: job == "3") == [dead, "a.m.9"]
    stores.indexes.drop(dead)
    stores.indexes.drop("a.m.9")
    assert stores.vectors.indexes() == [live, whole, under_way]
    assert stores.indexes.record(dead) is None
    stores.vectors.drop_index(whole)
    assert stores.indexes.garbage(lambda job: False) == [whole, under_way]
    for index in (whole, under_way):
        stores.indexes.drop(index)
    assert stores.vectors.indexes() == [live]
    assert stores.indexes.record(whole) is None


def test_a_collection_is_forgotten_whole(stores: Stores) -> None:
    for collection in ("a", "a-b"):
        stores.indexes.finish(begin(stores, collection, "m"))
    stores.indexes.drop_all("a")
    assert stores.vectors.indexes() == ["a-b.m.1"]
    assert (names(stores), names(stores, "a-b")) == ([], ["a-b.m.1"])
