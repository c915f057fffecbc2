from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.domain.jobs import Job, JobStatus
from app.errors import InvalidInput
from app.ports import JobContext, JobHandler
from app.queue import local_queue
from app.queue.job_run import MAX_ATTEMPTS
from app.queue.local_queue import LocalQueue
from app.stores.sqlite_jobs import SqliteJobStore

SECONDS = 180


def job(job_id: str, kind: str = "work", collection: str | None = None) -> Job:
    now = datetime.now(UTC)
    return Job(id=job_id, kind=kind, collection=collection, created=now, updated=now)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteJobStore]:
    opened = SqliteJobStore(tmp_path / "jobs.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def start(store: SqliteJobStore) -> Iterator[Callable[[JobHandler], LocalQueue]]:
    """Starts a queue over the store that runs every job by one handler."""
    queues: list[LocalQueue] = []

    def begin(handler: JobHandler) -> LocalQueue:
        queue = LocalQueue(store)
        queues.append(queue)
        queue.start({"lane": {"work": handler}})
        return queue

    yield begin
    for queue in queues:
        queue.close()


def ended(store: SqliteJobStore, job_id: str) -> Job:
    """The job when it has ended."""
    done = threading.Event()
    for _ in range(SECONDS * 100):
        current = store.get(job_id)
        if current.status.ended:
            return current
        done.wait(0.01)
    raise TimeoutError(store.get(job_id))


def test_jobs_run_one_after_another(store: SqliteJobStore, start: Callable[[JobHandler], LocalQueue]) -> None:
    order: list[str] = []

    def handler(context: JobContext) -> dict[str, Any]:
        order.append(context.job.id)
        context.progress(50, "half", {"indexed": 1})
        context.add_items(["a", "b"])
        return {"indexed": 2, "rejected": [{"file_name": "x", "reason": "y"}]}

    queue = start(handler)
    for number in range(5):
        queue.submit(job(str(number)))
    last = ended(store, "4")
    assert order == ["0", "1", "2", "3", "4"]
    assert (last.status, last.progress, last.attempts) == (JobStatus.SUCCESSFUL, 100, 1)
    assert last.counts == {"indexed": 2, "rejected": 1}
    assert list(store.items("4")) == ["a", "b"]
    assert last.started is not None
    assert last.finished is not None


def test_lanes_do_not_wait_for_each_other(store: SqliteJobStore) -> None:
    training, go = threading.Event(), threading.Event()

    def train(context: JobContext) -> dict[str, Any]:
        training.set()
        assert go.wait(SECONDS)
        return {"switched": True, "tiles": 3}

    queue = LocalQueue(store)
    queue.start({"index": {"ingest": lambda context: {}}, "learn": {"train": train}, "idle": {}})
    try:
        queue.submit(job("a", "train"))
        queue.submit(job("b", "train"))
        queue.submit(job("of a kind that nobody knows", "dance"))
        assert training.wait(SECONDS)
        queue.submit(job("c", "ingest"))
        assert ended(store, "c").status is JobStatus.SUCCESSFUL
        assert (store.get("a").status, store.get("b").status) == (JobStatus.RUNNING, JobStatus.ACCEPTED)
        go.set()
        assert ended(store, "b").counts == {"tiles": 3}
        assert store.get("of a kind that nobody knows").status is JobStatus.ACCEPTED
    finally:
        queue.close()


def test_a_domain_error_fails_the_job_with_its_message(
    store: SqliteJobStore, start: Callable[[JobHandler], LocalQueue]
) -> None:
    def handler(context: JobContext) -> dict[str, Any]:
        raise InvalidInput("the reason")

    start(handler).submit(job("a"))
    assert (ended(store, "a").status, ended(store, "a").error) == (JobStatus.FAILED, "the reason")


def test_a_bug_fails_the_job_and_not_the_worker(store: SqliteJobStore, start: Callable[[JobHandler], LocalQueue]) -> None:
    def handler(context: JobContext) -> dict[str, Any]:
        if context.job.id == "a":
            raise ZeroDivisionError("secret details")
        return {}

    queue = start(handler)
    queue.submit(job("a"))
    queue.submit(job("b"))
    assert ended(store, "b").status is JobStatus.SUCCESSFUL
    failed = ended(store, "a")
    assert failed.status is JobStatus.FAILED
    assert "secret" not in str(failed.error)


def test_cancelling_a_running_job_stops_it_at_its_next_check(
    store: SqliteJobStore, start: Callable[[JobHandler], LocalQueue]
) -> None:
    running, go = threading.Event(), threading.Event()

    def handler(context: JobContext) -> dict[str, Any]:
        running.set()
        go.wait(SECONDS)
        context.check()
        return {"indexed": 1}

    queue = start(handler)
    queue.submit(job("a"))
    assert running.wait(SECONDS)
    assert not queue.wait("a", 0)
    assert queue.cancel("a").status is JobStatus.DISMISSED
    go.set()
    assert queue.wait("a", SECONDS)
    assert (store.get("a").status, store.get("a").result) == (JobStatus.DISMISSED, None)


def test_whoever_asked_is_told_of_an_end_that_is_on_record(store: SqliteJobStore) -> None:
    told: list[tuple[str, JobStatus]] = []
    queue = LocalQueue(store, on_end=lambda job_id: told.append((job_id, store.get(job_id).status)))

    def handler(context: JobContext) -> dict[str, Any]:
        assert told == [] if context.job.id == "good" else told[0][0] == "good"
        if context.job.id == "bad":
            raise InvalidInput("no")
        return {}

    queue.start({"work": {"work": handler}})
    for name in ("good", "bad"):
        queue.submit(job(name))
    ended(store, "bad")
    queue.close()
    assert told == [("good", JobStatus.SUCCESSFUL), ("bad", JobStatus.FAILED)]


def test_a_job_that_is_dismissed_just_when_it_is_claimed_has_ended(
    store: SqliteJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = store.claim

    def claim_late(kinds: Sequence[str] = (), **turns: Any) -> Job | None:
        claimed = claim(kinds, **turns)
        if claimed is not None:
            queue.cancel(claimed.id)
        return claimed

    monkeypatch.setattr(store, "claim", claim_late)
    told = threading.Event()
    queue = LocalQueue(store, on_end=lambda job_id: told.set())
    queue.start({"work": {"work": lambda context: pytest.fail("it was dismissed")}})
    queue.submit(job("one"))
    is_told = told.wait(SECONDS)
    queue.close()
    assert (is_told, store.get("one").status) == (True, JobStatus.DISMISSED)


def test_cancelling_leaves_an_ended_job_as_it_is(store: SqliteJobStore, start: Callable[[JobHandler], LocalQueue]) -> None:
    queue = start(lambda context: {})
    queue.submit(job("a"))
    ended(store, "a")
    assert queue.cancel("a").status is JobStatus.SUCCESSFUL


def test_closing_puts_the_running_job_back_without_counting_the_attempt(
    store: SqliteJobStore, start: Callable[[JobHandler], LocalQueue]
) -> None:
    running = threading.Event()

    def handler(context: JobContext) -> dict[str, Any]:
        running.set()
        while True:
            context.check()

    queue = start(handler)
    queue.submit(job("a"))
    assert running.wait(SECONDS)
    queue.close()
    assert (store.get("a").status, store.get("a").attempts) == (JobStatus.ACCEPTED, 0)
    start(lambda context: {})
    assert ended(store, "a").status is JobStatus.SUCCESSFUL


def test_what_a_dead_process_left_running_goes_on(store: SqliteJobStore, start: Callable[[JobHandler], LocalQueue]) -> None:
    store.create(job("a"))
    assert store.claim() is not None
    start(lambda context: {})
    assert (ended(store, "a").status, ended(store, "a").attempts) == (JobStatus.SUCCESSFUL, 2)


def test_a_job_that_keeps_killing_the_process_is_given_up(
    store: SqliteJobStore, start: Callable[[JobHandler], LocalQueue]
) -> None:
    store.create(job("a"))
    for _ in range(MAX_ATTEMPTS):
        assert store.claim() is not None
        store.update("a", status=JobStatus.ACCEPTED)
    start(lambda context: {})
    failed = ended(store, "a")
    assert failed.status is JobStatus.FAILED
    assert "given up" in str(failed.error)


def test_a_run_that_gets_on_forgives_the_crashes_before_it(
    store: SqliteJobStore, start: Callable[[JobHandler], LocalQueue]
) -> None:
    store.create(job("a"))
    for _ in range(MAX_ATTEMPTS - 1):
        assert store.claim() is not None
        store.update("a", status=JobStatus.ACCEPTED)

    def handler(context: JobContext) -> dict[str, Any]:
        assert context.job.attempts == MAX_ATTEMPTS
        context.add_items(["x"])
        return {}

    start(handler)
    assert ended(store, "a").attempts == 1


def test_a_job_whose_record_went_with_its_collection_has_ended(store: SqliteJobStore) -> None:
    told = threading.Event()
    queue = LocalQueue(store, on_end=lambda job_id: told.set())

    def handler(context: JobContext) -> dict[str, Any]:
        store.delete(context.job.id)
        return {}

    queue.start({"work": {"work": handler}})
    queue.submit(job("one"))
    assert told.wait(SECONDS)
    queue.close()


def test_collections_take_turns(store: SqliteJobStore) -> None:
    order: list[str] = []

    def handler(context: JobContext) -> dict[str, Any]:
        order.append(context.job.id)
        return {}

    for name in ("a1", "a2", "a3", "b1", "a4", "c1", "b2"):
        store.create(job(name, collection=name[0]))
    queue = LocalQueue(store)
    queue.start({"lane": {"work": handler}})
    ended(store, "a4")
    queue.close()
    assert order == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]


def test_a_lane_runs_jobs_of_two_collections_at_once_but_one_of_each(store: SqliteJobStore) -> None:
    go = threading.Event()
    running: list[str] = []

    def handler(context: JobContext) -> dict[str, Any]:
        running.append(context.job.id)
        if context.job.id != "b1":
            assert go.wait(SECONDS)
        return {}

    queue = LocalQueue(store, threads={"lane": 2})
    queue.start({"lane": {"work": handler}})
    try:
        queue.submit(job("a1", collection="a"))
        queue.submit(job("a2", collection="a"))
        queue.submit(job("b1", collection="b"))
        assert ended(store, "b1").status is JobStatus.SUCCESSFUL
        queue.submit(job("c1", collection="c"))
        while "c1" not in running:
            threading.Event().wait(0.01)
        assert (store.get("a1").status, store.get("a2").status) == (JobStatus.RUNNING, JobStatus.ACCEPTED)
        go.set()
        assert ended(store, "a2").status is JobStatus.SUCCESSFUL
    finally:
        go.set()
        queue.close()


def test_a_job_that_does_not_stop_blocks_its_collection_only(store: SqliteJobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_queue, "STUCK_SECONDS", 0.2)
    stuck, go = threading.Event(), threading.Event()

    def handler(context: JobContext) -> dict[str, Any]:
        if context.job.id == "stuck":
            stuck.set()
            assert go.wait(SECONDS)
        return {}

    queue = LocalQueue(store)
    queue.start({"lane": {"work": handler}})
    try:
        queue.submit(job("stuck", collection="a"))
        assert stuck.wait(SECONDS)
        assert queue.cancel("stuck").status is JobStatus.DISMISSED
        queue.submit(job("same", collection="a"))
        queue.submit(job("other", collection="b"))
        assert ended(store, "other").status is JobStatus.SUCCESSFUL
        assert store.get("same").status is JobStatus.ACCEPTED
        go.set()
        assert ended(store, "same").status is JobStatus.SUCCESSFUL
        assert queue.wait("stuck", SECONDS)
        assert store.get("stuck").status is JobStatus.DISMISSED
    finally:
        go.set()
        queue.close()


def test_closing_does_not_wait_for_ever(store: SqliteJobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_queue, "STOP_SECONDS", 0.2)
    stuck, go = threading.Event(), threading.Event()

    def handler(context: JobContext) -> dict[str, Any]:
        stuck.set()
        assert go.wait(SECONDS)
        context.check()
        return {}

    queue = LocalQueue(store)
    queue.start({"lane": {"work": handler}})
    queue.submit(job("stuck"))
    assert stuck.wait(SECONDS)
    queue.close()
    assert store.get("stuck").status is JobStatus.RUNNING  # queued again at the next start
    go.set()
    assert queue.wait("stuck", SECONDS)
    assert store.get("stuck").status is JobStatus.ACCEPTED
