"""Jobs in one SQLite file.

A job is a JSON document, beside the columns of its queries. Progress survives a killed process; creating and ending a job also
survive a power failure (`synchronous=FULL` for these writes).
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from typing_extensions import override

from app.domain.jobs import Job, JobStatus, next_in_turn
from app.errors import Conflict, HomeTooNew, NoSuchJob, OutOfSpace, Unavailable
from app.ports import JobStore

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    collection TEXT,
    status TEXT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX jobs_by_status ON jobs (status, seq);
CREATE INDEX jobs_by_collection ON jobs (collection, seq);
CREATE TABLE items (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    item_id TEXT NOT NULL,
    UNIQUE (job_id, item_id)
);
CREATE INDEX items_in_order ON items (job_id, seq);
"""
_ITEMS_PAGE = 1000
_CHECKED_BYTES = 64 << 20
"""A larger file is not read as a whole at the start."""


class SqliteJobStore(JobStore):
    """`JobStore` in the file `path`, created if missing. A damaged file is set aside under another name.

    Raises:
        HomeTooNew: a newer version wrote the file.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._path = path
        if not _is_intact(path):
            _set_aside(path)
        with _translated():
            self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA foreign_keys=ON")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            self._db.close()
            raise HomeTooNew(
                f"{path} was written by a newer version of Dyad (format {version}, not {SCHEMA_VERSION}); upgrade Dyad"
            )
        if version == 0:
            with self._transaction(durable=True) as db:
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def notes(self) -> list[str]:
        """One line for each damaged file that was set aside and is still there."""
        aside = sorted(self._path.parent.glob(f"{self._path.name}.damaged-*"))
        files = [file for file in aside if not file.name.endswith(("-wal", "-shm"))]
        return [f"{file} was damaged and set aside, the jobs in it are not listed; delete or restore it" for file in files]

    @override
    def create(self, job: Job) -> None:
        with self._transaction(durable=True) as db:
            if db.execute("SELECT 1 FROM jobs WHERE id=?", (job.id,)).fetchone():
                raise Conflict(f"job {job.id} already exists")
            row = (job.id, job.collection, job.status, job.model_dump_json())
            db.execute("INSERT INTO jobs (id, collection, status, document) VALUES (?, ?, ?, ?)", row)

    @override
    def get(self, job_id: str) -> Job:
        return _job(self._one("SELECT document FROM jobs WHERE id=?", job_id), job_id)

    @override
    def list(
        self, *, collection: str | None = None, status: Sequence[JobStatus] = (), limit: int = 100, after: str | None = None
    ) -> Sequence[Job]:
        conditions, values = ["1"], list[Any]()
        if collection is not None:
            conditions.append("collection=?")
            values.append(collection)
        if status:
            conditions.append(f"status IN ({','.join('?' * len(status))})")
            values += status
        if after is not None:
            row = self._one("SELECT seq FROM jobs WHERE id=?", after)
            if row is None:
                raise NoSuchJob(f"no job {after}")
            conditions.append("seq<?")
            values.append(row[0])
        where = " AND ".join(conditions)
        # The conditions are the literals above; every value is bound.
        query = f"SELECT document FROM jobs WHERE {where} ORDER BY seq DESC LIMIT ?"  # noqa: S608
        return [Job.model_validate_json(row[0]) for row in self._all(query, *values, limit)]

    @override
    def update(self, job_id: str, *, only_if: Sequence[JobStatus] = (), **changes: Any) -> Job | None:
        unknown = changes.keys() - Job.model_fields.keys()
        if unknown:
            raise TypeError(f"a job has no field {', '.join(sorted(unknown))}")
        is_end = JobStatus(changes.get("status", JobStatus.RUNNING)).ended
        with self._transaction(durable=is_end) as db:
            job = _job(db.execute("SELECT document FROM jobs WHERE id=?", (job_id,)).fetchone(), job_id)
            if only_if and job.status not in only_if:
                return None
            return _store(db, job, changes)

    @override
    def claim(
        self, kinds: Sequence[str] = (), *, skip: Collection[str | None] = (), served: Sequence[str | None] = ()
    ) -> Job | None:
        condition = f"AND document ->> '$.kind' IN ({','.join('?' * len(kinds))})" if kinds else ""
        # The condition is the literal above; every value is bound.
        query = f"SELECT collection, MIN(seq) FROM jobs WHERE status=? {condition} GROUP BY collection"  # noqa: S608
        with self._transaction() as db:
            seq = next_in_turn(db.execute(query, (JobStatus.ACCEPTED, *kinds)), skip, served)
            if seq is None:
                return None
            job = Job.model_validate_json(db.execute("SELECT document FROM jobs WHERE seq=?", (seq,)).fetchone()[0])
            started = job.started or datetime.now(UTC)
            return _store(db, job, {"status": JobStatus.RUNNING, "attempts": job.attempts + 1, "started": started})

    @override
    def add_items(self, job_id: str, item_ids: Sequence[str]) -> None:
        with self._transaction() as db:
            if not db.execute("SELECT 1 FROM jobs WHERE id=?", (job_id,)).fetchone():
                raise NoSuchJob(f"no job {job_id}")
            rows = ((job_id, item_id) for item_id in item_ids)
            db.executemany("INSERT OR IGNORE INTO items (job_id, item_id) VALUES (?, ?)", rows)

    @override
    def items(self, job_id: str) -> Iterator[str]:
        last = 0
        query = "SELECT seq, item_id FROM items WHERE job_id=? AND seq>? ORDER BY seq LIMIT ?"
        while rows := self._all(query, job_id, last, _ITEMS_PAGE):
            yield from (item_id for _, item_id in rows)
            last = rows[-1][0]

    @override
    def delete(self, job_id: str) -> None:
        with self._transaction() as db:
            db.execute("DELETE FROM jobs WHERE id=?", (job_id,))

    @override
    def ping(self) -> None:
        self._one("SELECT 1")

    @override
    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _one(self, query: str, *values: Any) -> Any:
        with self._lock, _translated():
            return self._db.execute(query, values).fetchone()

    def _all(self, query: str, *values: Any) -> Any:
        with self._lock, _translated():
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """A transaction with a single writer. durable: it and all earlier ones are on disk when the block ends."""
        with self._lock, _translated():
            self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")


def _is_intact(path: Path) -> bool:
    """Whether the file is a database without damage, or missing or empty. A large file is only opened."""
    if not path.exists():
        return True
    try:
        with closing(sqlite3.connect(path, timeout=30)) as db:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            is_small = path.stat().st_size < _CHECKED_BYTES
            return not is_small or db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return code not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _set_aside(path: Path) -> None:
    suffix = f".damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    for ending in ("-wal", "-shm", ""):
        file = path.with_name(f"{path.name}{ending}")
        if file.exists():
            file.rename(path.with_name(f"{path.name}{suffix}{ending}"))
    log.error("%s is damaged; it was set aside as %s%s, and a new one is used", path, path.name, suffix)


def _store(db: sqlite3.Connection, job: Job, changes: dict[str, Any]) -> Job:
    changed = Job.model_validate({**job.model_dump(), **changes, "updated": datetime.now(UTC)})
    row = (changed.collection, changed.status, changed.model_dump_json(), job.id)
    db.execute("UPDATE jobs SET collection=?, status=?, document=? WHERE id=?", row)
    return changed


def _job(row: Any, job_id: str) -> Job:
    if row is None:
        raise NoSuchJob(f"no job {job_id}")
    return Job.model_validate_json(row[0])


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise OutOfSpace("jobs: the disk is full; make room and try again") from None
        raise Unavailable(f"jobs: {error}") from error
