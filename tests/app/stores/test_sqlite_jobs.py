from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.jobs import Job, JobStatus
from app.errors import HomeTooNew, Unavailable
from app.stores.sqlite_jobs import SqliteJobStore
from tests.support.small_disk import ROOT, run_on_small_disk

NOW = datetime(2024, 5, 1, tzinfo=UTC)

KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from app.domain.jobs import Job, JobStatus
from app.stores.sqlite_jobs import SqliteJobStore
store = SqliteJobStore(Path(sys.argv[1]))
now = datetime(2024, 5, 1, tzinfo=UTC)
for name in ("done", "half"):
    store.create(Job(id=name, kind="ingest", created=now, updated=now))
    store.claim()
store.update("done", status=JobStatus.SUCCESSFUL, result={"indexed": 2})
store.update("half", progress=50.0)
store.add_items("half", ["a", "b"])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_everything_survives_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    store = SqliteJobStore(path)
    assert store.get("done").result == {"indexed": 2}
    assert store.get("half").progress == 50
    assert store.get("half").status is JobStatus.RUNNING
    assert list(store.items("half")) == ["a", "b"]
    store.close()


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    SqliteJobStore(tmp_path / "jobs.sqlite").close()
    with sqlite3.connect(tmp_path / "jobs.sqlite") as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(HomeTooNew, match="newer version"):
        SqliteJobStore(tmp_path / "jobs.sqlite")


def test_what_is_no_database_is_set_aside(tmp_path: Path) -> None:
    text = "a text that is long enough to be no database" * 100
    (tmp_path / "jobs.sqlite").write_text(text)
    store = SqliteJobStore(tmp_path / "jobs.sqlite")
    assert list(store.list()) == []
    assert "set aside" in store.notes()[0]
    store.close()
    assert next(tmp_path.glob("jobs.sqlite.damaged-*")).read_text() == text


def test_a_closed_store_is_unavailable(tmp_path: Path) -> None:
    store = SqliteJobStore(tmp_path / "jobs.sqlite")
    store.close()
    with pytest.raises(Unavailable):
        store.ping()
    with pytest.raises(Unavailable):
        store.create(Job(id="a", kind="ingest", created=NOW, updated=NOW))


FULL = """
from datetime import UTC, datetime
from app.domain.jobs import Job
from app.errors import OutOfSpace
from app.stores.sqlite_jobs import SqliteJobStore
store = SqliteJobStore(disk / "jobs.sqlite")
now = datetime(2024, 5, 1, tzinfo=UTC)
store.create(Job(id="a", kind="ingest", created=now, updated=now))
written = 0
try:
    while True:
        store.add_items("a", [f"item {written + k}" for k in range(100)])
        written += 100
except OutOfSpace as error:
    print(error)
print(len(list(store.items("a"))) == written, store.get("a").id)
"""


def test_a_full_disk_says_so_and_keeps_what_was_there(tmp_path: Path) -> None:
    assert run_on_small_disk(tmp_path, "600k", FULL).splitlines() == [
        "jobs: the disk is full; make room and try again",
        "True a",
    ]
