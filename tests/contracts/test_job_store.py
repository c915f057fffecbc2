"""One suite over every `JobStore`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.cluster.redis.client import connect
from app.cluster.redis.redis_jobs import RedisJobStore
from app.domain.jobs import Job, JobStatus
from app.errors import Conflict, NotFound
from app.ports import JobStore
from app.stores.sqlite_jobs import SqliteJobStore

NOW = datetime(2024, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JobStore]:
    made: JobStore
    if request.param == "redis":
        made = RedisJobStore(connect(request.getfixturevalue("redis_server").url))
    else:
        made = SqliteJobStore(tmp_path / "jobs.sqlite")
    yield made
    made.close()


def make_job(number: int, *, collection: str | None = "ucm", kind: str = "ingest") -> Job:
    when = NOW + timedelta(seconds=number)
    inputs = {"files": ["ü.tif"], "options": {"tile_size": 256}}
    return Job(id=f"job-{number}", kind=kind, collection=collection, inputs=inputs, created=when, updated=when)


def test_a_job_comes_back_as_it_was(store: JobStore) -> None:
    store.create(make_job(1))
    assert store.get("job-1") == make_job(1)
    with pytest.raises(Conflict, match="job-1"):
        store.create(make_job(1))
    with pytest.raises(NotFound, match="job-2"):
        store.get("job-2")


def test_update_changes_fields(store: JobStore) -> None:
    store.create(make_job(1))
    changed = store.update("job-1", progress=12.5, message="7 of 9", counts={"indexed": 7})
    assert changed is not None
    assert changed == store.get("job-1")
    assert (changed.progress, changed.message, changed.counts) == (12.5, "7 of 9", {"indexed": 7})
    assert changed.inputs == make_job(1).inputs
    assert changed.updated > NOW + timedelta(days=1)
    done = store.update("job-1", status=JobStatus.SUCCESSFUL, result={"indexed": 9}, finished=NOW)
    assert done is not None
    assert store.get("job-1").result == {"indexed": 9}
    assert store.list(status=[JobStatus.SUCCESSFUL]) == [done]


def test_update_only_from_a_given_status(store: JobStore) -> None:
    store.create(make_job(1))
    assert store.update("job-1", only_if=[JobStatus.RUNNING], message="no") is None
    assert store.get("job-1") == make_job(1)
    assert store.update("job-1", only_if=[JobStatus.RUNNING, JobStatus.ACCEPTED], message="yes") is not None
    with pytest.raises(NotFound, match="job-9"):
        store.update("job-9", message="x")
    with pytest.raises(TypeError, match="colour"):
        store.update("job-1", colour="red")


def test_claim_takes_the_oldest_once(store: JobStore) -> None:
    for number in (1, 2, 3):
        store.create(make_job(number))
    store.update("job-1", status=JobStatus.DISMISSED)
    first, second = store.claim(), store.claim()
    assert first is not None
    assert second is not None
    assert (first.id, first.status, first.attempts) == ("job-2", JobStatus.RUNNING, 1)
    assert first.started is not None
    assert second.id == "job-3"
    assert store.claim() is None
    store.update("job-2", status=JobStatus.ACCEPTED)
    again = store.claim()
    assert again is not None
    assert (again.id, again.attempts, again.started) == ("job-2", 2, first.started)


def test_claim_takes_only_the_kinds_asked_for(store: JobStore) -> None:
    for number, kind in enumerate(("ingest", "train", "evaluate", "train")):
        store.create(make_job(number, kind=kind))

    def claimed(*kinds: str) -> str | None:
        job = store.claim(kinds)
        return None if job is None else job.id

    assert claimed("evaluate", "train") == "job-1"
    assert claimed("reindex") is None
    assert claimed("train") == "job-3"
    assert claimed("train") is None
    assert claimed() == "job-0"
    assert claimed("train", "evaluate") == "job-2"


def test_claim_lets_collections_take_turns(store: JobStore) -> None:
    for number, collection in enumerate(("a", "a", "b", None, "c")):
        store.create(make_job(number, collection=collection))

    def claimed(skip: Sequence[str | None] = (), served: Sequence[str | None] = ()) -> str | None:
        job = store.claim(skip=skip, served=served)
        return None if job is None else job.id

    assert claimed(served=["a"]) == "job-2"
    assert claimed(skip=["a", None]) == "job-4"
    assert claimed(served=[None, "a"]) == "job-3"
    assert claimed(skip=["a"]) is None
    assert claimed(served=["b", "a"]) == "job-0"
    assert claimed() == "job-1"


def test_threads_claim_every_job_once(store: JobStore) -> None:
    for number in range(60):
        store.create(make_job(number))
    claimed: list[str] = []

    def work() -> None:
        while job := store.claim():
            claimed.append(job.id)
            store.add_items(job.id, ["a", "b"])
            store.update(job.id, status=JobStatus.SUCCESSFUL)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(f"job-{number}" for number in range(60))
    assert len(store.list(status=[JobStatus.SUCCESSFUL])) == 60


def test_lists_are_newest_first_and_paged(store: JobStore) -> None:
    for number in range(7):
        store.create(make_job(number, collection="a" if number % 2 else None))
    store.update("job-3", status=JobStatus.FAILED)
    store.update("job-5", status=JobStatus.RUNNING)
    assert [job.id for job in store.list()] == [f"job-{number}" for number in range(6, -1, -1)]
    assert [job.id for job in store.list(limit=3)] == ["job-6", "job-5", "job-4"]
    assert [job.id for job in store.list(limit=3, after="job-4")] == ["job-3", "job-2", "job-1"]
    assert [job.id for job in store.list(collection="a")] == ["job-5", "job-3", "job-1"]
    assert [job.id for job in store.list(status=[JobStatus.FAILED, JobStatus.RUNNING])] == ["job-5", "job-3"]
    assert [job.id for job in store.list(collection="a", status=[JobStatus.ACCEPTED], after="job-5")] == ["job-1"]
    assert store.list(collection="b") == []
    with pytest.raises(NotFound, match="job-99"):
        store.list(after="job-99")


def test_items_keep_their_order_and_count_once(store: JobStore) -> None:
    store.create(make_job(1))
    store.create(make_job(2))
    ids = [f"item {number}" for number in range(2500)]
    store.add_items("job-1", ids[:1500])
    store.add_items("job-2", ["item 7"])
    store.add_items("job-1", ids[1400:])
    store.add_items("job-1", [])
    assert list(store.items("job-1")) == ids
    assert list(store.items("job-2")) == ["item 7"]
    assert list(store.items("job-3")) == []
    with pytest.raises(NotFound, match="job-3"):
        store.add_items("job-3", ["x"])


def test_items_may_be_added_while_they_are_read(store: JobStore) -> None:
    store.create(make_job(1))
    store.add_items("job-1", ["a"])
    reader = store.items("job-1")
    assert next(reader) == "a"
    store.add_items("job-1", ["b"])
    assert list(reader) == ["b"]


def test_delete_forgets_the_items_too(store: JobStore) -> None:
    store.create(make_job(1))
    store.add_items("job-1", ["a"])
    store.delete("job-1")
    store.delete("job-1")
    assert store.list() == []
    store.create(make_job(1))
    assert list(store.items("job-1")) == []
    store.ping()
