"""Jobs of a cluster with a real Redis and no worker: what a run leaves on record and at the broker."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.cluster.celery.broker import Broker
from app.cluster.celery.celery_queue import CeleryQueue, job_lock
from app.cluster.celery.job_runner import MAX_TRIES, ClusterRunner
from app.cluster.celery.journal import Journal
from app.cluster.celery.reconciler import SETTLED, Reconciler
from app.cluster.redis.client import connect
from app.cluster.redis.redis_jobs import RedisJobStore
from app.cluster.redis.redis_locks import RedisLocks
from app.domain.jobs import Job, JobStatus
from app.errors import Conflict, InvalidInput, NotFound, OutOfSpace, SourceUnavailable, Unavailable
from app.ports import Interrupted, JobContext, JobHandler
from app.queue.job_run import MAX_ATTEMPTS
from app.stores.blobs.object_blobs import ObjectBlobs
from tests.support.redis import RedisServer

NOW = datetime.now(UTC)
OLD = NOW - timedelta(hours=1)


class Bench:
    """One worker's view, with a handler that the test sets."""

    def __init__(self, url: str, folder: Path) -> None:
        self.store = RedisJobStore(connect(url))
        self.locks = RedisLocks(connect(url))
        self.broker = Broker(connect(url))
        self.journal = Journal(ObjectBlobs(folder))
        self.queue = CeleryQueue(url, self.store, self.locks, self.journal)
        self.cleared: list[str] = []
        self.is_stopping = False
        self.handler: JobHandler = lambda context: {"indexed": 3}
        self.runner = ClusterRunner(
            self.store,
            self.locks,
            self.queue,
            self.journal,
            {"ingest": self.handle},
            self.cleared.append,
            lambda: self.is_stopping,
        )
        self.reconciler = Reconciler(self.store, self.locks, self.queue, self.journal, self.broker)

    def handle(self, context: JobContext) -> dict[str, Any]:
        return self.handler(context)

    def close(self) -> None:
        for part in (self.queue, self.broker, self.locks, self.store):
            part.close()

    def submit(self, job_id: str = "a", created: datetime = OLD) -> None:
        self.queue.submit(Job(id=job_id, kind="ingest", created=created, updated=created))

    def raises(self, error: BaseException) -> None:
        def handler(context: JobContext) -> dict[str, Any]:
            raise error

        self.handler = handler


@pytest.fixture
def bench(redis_server: RedisServer, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(redis_server.url, tmp_path)
    yield made
    made.close()


def test_a_job_is_on_record_in_the_journal_and_at_the_broker(bench: Bench) -> None:
    bench.submit()
    assert bench.store.get("a").status is JobStatus.ACCEPTED
    assert list(bench.journal.ids()) == ["a"]
    assert bench.broker.task_ids(datetime.now(UTC)) == {"a"}
    assert bench.broker.depths() == {"ingest": 1, "embed": 0, "train": 0, "maintenance": 0}
    with pytest.raises(Conflict):
        bench.submit()


def test_a_run_ends_the_job_and_clears_what_it_had(bench: Bench) -> None:
    bench.submit()
    bench.runner.run("a")
    job = bench.store.get("a")
    assert (job.status, job.result, job.attempts) == (JobStatus.SUCCESSFUL, {"indexed": 3}, 1)
    assert bench.cleared == ["a"]
    assert list(bench.journal.ids()) == []
    assert bench.queue.wait("a", 0)
    bench.runner.run("a")  # the message came twice
    assert bench.store.get("a") == job
    bench.runner.run("unknown")


def test_a_job_whose_record_went_with_its_collection_does_not_come_back(bench: Bench) -> None:
    def handler(context: JobContext) -> dict[str, Any]:
        bench.store.delete("a")
        return {}

    bench.handler = handler
    bench.submit()
    bench.runner.run("a")
    assert bench.cleared == ["a"]
    assert bench.reconciler.run(datetime.now(UTC)) == []
    with pytest.raises(NotFound):
        bench.store.get("a")


def test_a_job_that_another_worker_has_is_asked_for_again(bench: Bench, redis_server: RedisServer) -> None:
    bench.submit()
    other = RedisLocks(connect(redis_server.url))
    with other.hold(job_lock("a")):
        assert not bench.queue.wait("a", 0)
        bench.runner.run("a")
        assert bench.store.get("a").attempts == 0
    other.close()
    assert bench.broker.depths()["ingest"] == 2


def test_what_may_recover_is_tried_again_and_what_may_not_fails(bench: Bench) -> None:
    bench.raises(Unavailable("the vector store is away"))
    bench.submit()
    bench.runner.run("a")
    job = bench.store.get("a")
    assert (job.status, job.attempts, job.message) == (JobStatus.ACCEPTED, 0, "waiting: the vector store is away")
    assert bench.broker.depths()["ingest"] == 2
    bench.runner.run("a", MAX_TRIES)
    assert (bench.store.get("a").status, bench.store.get("a").error) == (JobStatus.FAILED, "the vector store is away")
    for number, error in enumerate([InvalidInput("no"), OutOfSpace("full"), SourceUnavailable("not mounted")]):
        bench.raises(error)
        bench.submit(str(number))
        bench.runner.run(str(number))
        assert (bench.store.get(str(number)).status, bench.store.get(str(number)).error) == (JobStatus.FAILED, str(error))


def test_a_full_disk_is_named(bench: Bench) -> None:
    bench.raises(OSError(errno.ENOSPC, "No space left on device", "/var/dyad/x"))
    bench.submit()
    bench.runner.run("a")
    assert bench.store.get("a").error == "the disk of /var/dyad/x is full; make room and try again"


def test_a_worker_that_shuts_down_puts_the_job_back(bench: Bench) -> None:
    def handler(context: JobContext) -> dict[str, Any]:
        bench.is_stopping = True
        context.check()
        return {}

    bench.handler = handler
    bench.submit()
    bench.runner.run("a")
    assert (bench.store.get("a").status, bench.store.get("a").attempts) == (JobStatus.ACCEPTED, 0)
    assert bench.broker.depths()["ingest"] == 2
    assert bench.cleared == []
    with pytest.raises(Interrupted):
        bench.runner.help("a", lambda context: context.check())


def test_a_dismissed_job_stops_at_its_next_check(bench: Bench) -> None:
    def handler(context: JobContext) -> dict[str, Any]:
        bench.queue.cancel("a")
        context.check()
        return {}

    bench.handler = handler
    bench.submit()
    bench.runner.run("a")
    assert bench.store.get("a").status is JobStatus.DISMISSED
    assert bench.cleared == ["a"]


def test_a_job_that_kills_its_workers_is_given_up(bench: Bench) -> None:
    bench.submit()
    bench.store.update("a", status=JobStatus.RUNNING, attempts=MAX_ATTEMPTS)
    bench.runner.run("a")
    assert "given up" in str(bench.store.get("a").error)


def test_a_job_without_message_and_worker_is_asked_for_again(bench: Bench, redis_server: RedisServer) -> None:
    later = datetime.now(UTC) + 2 * SETTLED
    bench.store.create(Job(id="lost", kind="train", created=OLD, updated=OLD))
    bench.submit("waiting")
    bench.store.create(Job(id="running", kind="ingest", status=JobStatus.RUNNING, created=OLD, updated=OLD))
    other = RedisLocks(connect(redis_server.url))
    with other.hold(job_lock("running")):
        assert bench.reconciler.run(later) == ["lost"]
        assert bench.reconciler.run(later) == []
    other.close()
    assert bench.broker.task_ids(datetime.now(UTC)) == {"lost", "waiting"}
    assert bench.broker.depths()["train"] == 1


def test_a_clock_that_is_put_back_hides_no_lost_job(bench: Bench) -> None:
    later = NOW + timedelta(hours=1)
    bench.store.create(Job(id="lost", kind="train", created=later, updated=later))
    bench.store.create(Job(id="put off", kind="ingest", created=OLD, updated=later))
    bench.queue.send(bench.store.get("put off"), seconds=3600)  # as one sent an hour ahead by a clock that was right then
    assert sorted(bench.reconciler.run(NOW)) == ["lost", "put off"]
    assert bench.reconciler.run(NOW) == []


def test_what_redis_forgot_is_in_the_journal(bench: Bench, redis_server: RedisServer) -> None:
    bench.submit("a")
    bench.submit("young", created=datetime.now(UTC))
    redis_server.forget()
    with pytest.raises(NotFound):
        bench.store.get("a")
    assert bench.reconciler.run(datetime.now(UTC)) == ["a"]
    bench.runner.run("a")
    assert bench.store.get("a").status is JobStatus.SUCCESSFUL
    assert list(bench.journal.ids()) == ["young"]


def test_a_broker_that_is_away_loses_no_job(bench: Bench, redis_server: RedisServer, tmp_path: Path) -> None:
    queue = CeleryQueue("redis://127.0.0.1:1/0", bench.store, bench.locks, bench.journal)
    queue.submit(Job(id="a", kind="ingest", created=OLD, updated=OLD))
    queue.close()
    assert bench.store.get("a").status is JobStatus.ACCEPTED
    assert bench.reconciler.run(datetime.now(UTC)) == ["a"]
