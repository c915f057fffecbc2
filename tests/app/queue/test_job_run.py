"""A job's context over its record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.jobs import Job, JobStatus
from app.ports import Cancelled
from app.queue import job_run
from app.queue.job_run import StoreContext
from app.stores.sqlite_jobs import SqliteJobStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteJobStore]:
    """With the job "one", which runs."""
    opened = SqliteJobStore(tmp_path / "jobs.sqlite")
    now = datetime.now(UTC)
    opened.create(Job(id="one", kind="work", created=now, updated=now, status=JobStatus.RUNNING))
    yield opened
    opened.close()


def message(store: SqliteJobStore) -> str:
    return store.get("one").message


def test_progress_is_written_now_and_then_and_its_last_word_never_lost(
    store: SqliteJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("app.queue.job_run.time.monotonic", lambda: now)
    context = StoreContext(store.get("one"), store, lambda: None)
    context.progress(1, "first")
    context.progress(2, "too soon")
    context.progress(3, "last", {"tiles": 3})
    context.check()
    assert message(store) == "first"
    now += job_run.PROGRESS_SECONDS
    context.check()
    found = store.get("one")
    assert (found.message, found.progress, found.counts) == ("last", 3, {"tiles": 3})


def test_the_end_is_written_at_once(store: SqliteJobStore) -> None:
    context = StoreContext(store.get("one"), store, lambda: None)
    context.progress(99, "nearly")
    context.progress(100, "done")
    assert message(store) == "done"


def test_whoever_has_to_stop_says_nothing_more(store: SqliteJobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> None:
        raise Cancelled

    context = StoreContext(store.get("one"), store, stop)
    context.progress(1, "first")
    context.progress(2, "second")
    monkeypatch.setattr(job_run, "PROGRESS_SECONDS", 0)
    with pytest.raises(Cancelled):
        context.check()
    assert message(store) == "first"
