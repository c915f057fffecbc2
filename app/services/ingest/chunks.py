"""A large ingest in chunks that any number of workers share.

The worker that has the job plans the chunks, asks others to help, and works on them itself, the last first. Whatever becomes of
a helper, a chunk is done when its result is in the blob store, and whoever has it holds its lease; so a lost worker costs the
chunk that it was at. Under `work/{job}/`, which goes away with the job:

::

    plan.json               how many chunks there are; written last
    chunks/{n}.json         the files of a chunk
    done/{n}.json           its result
    begun/{n}/{attempt}     attempts that nobody saw the end of
    begun/{n}.{file}/...    the same for one file, in a chunk whose worker died again and again
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from app.domain.jobs import result_counts
from app.errors import Busy, DyadError, NotFound
from app.ports import Blobs, Cancelled, Interrupted, JobContext, Locks
from app.services.ingest.run import MAX_LISTED_REJECTIONS, progress_message
from app.services.jobs.sub_progress import WithoutProgress

log = logging.getLogger(__name__)

WORK = "work/"
"""What `ChunkedIngest` keeps for a job is under `work/{job}/`, and goes when the job has ended."""
CHUNK_BYTES = 256 << 20
DEATHS = 2
"""After so many in a chunk, its files are worked on one by one; a file with so many of its own is given up."""
POLL_SECONDS = 0.3
PARTING_SECONDS = 30.0


class Entry(BaseModel):
    """A file of a chunk, or why it is none.

    path: on a disk that all workers have, or in the job's folder, if it is relative. url, members: see `SourceFile`.
    size: in bytes, of what has to be read, where that is known.
    """

    name: str
    path: str = ""
    url: str | None = None
    reason: str | None = None
    members: tuple[int, int] | None = None
    size: int = 0

    @property
    def files(self) -> int:
        """How many files it stands for."""
        return 1 if self.members is None else self.members[1] - self.members[0]

    def single(self) -> Iterator[Entry]:
        """The same one file at a time."""
        if self.members is None:
            yield self
            return
        for number in range(*self.members):
            yield self.model_copy(update={"members": (number, number + 1)})


@dataclass(frozen=True, slots=True)
class Helpers:
    """ask: sends word to other workers that these chunks of a job are to be done. files: at most in a chunk."""

    locks: Locks
    ask: Callable[[str, Sequence[int]], None]
    files: int = 256


Work = Callable[[JobContext, Sequence[Entry]], dict[str, Any]]
"""Indexes the files of a chunk; the result as `IngestRun.run` returns it."""


class ChunkedIngest:
    """Runs ingests in chunks. work: see `Work`."""

    def __init__(self, blobs: Blobs, helpers: Helpers, work: Work) -> None:
        self._blobs = blobs
        self._helpers = helpers
        self._work = work

    def run(self, context: JobContext, plan: Callable[[], Iterable[Entry]]) -> dict[str, Any]:
        """Have all chunks done; what `IngestRun.run` returns, of all of them. plan: the files, asked for once a job.

        Raises:
            Cancelled, Interrupted: told to stop; by then nobody works on a chunk, or only on the one in hand.
        """
        job_id = context.job.id
        total = self._planned(context, plan)
        results = _Results(total)
        if total == 0:
            return self._work(context, [])
        if total > 1:
            self._helpers.ask(job_id, [number for number in range(total) if number not in self._done(job_id)])
        try:
            return self._finish(context, results)
        except Cancelled:
            self._see_helpers_off(job_id, total)
            raise

    def _finish(self, context: JobContext, results: _Results) -> dict[str, Any]:
        """Work on chunks, and wait for those that others have, until all are done."""
        job_id = context.job.id
        while True:
            for number in sorted(self._done(job_id) - results.by_chunk.keys()):
                results.by_chunk[number] = json.loads(self._blobs.get(_key(job_id, f"done/{number}.json")))
                context.progress(*results.progress())
            if len(results.by_chunk) == results.total:
                return results.merged()
            left = [number for number in reversed(range(results.total)) if number not in results.by_chunk]
            if not any(self._do(WithoutProgress(context), number) for number in left):  # other workers have all of them
                context.check()
                time.sleep(POLL_SECONDS)

    def _see_helpers_off(self, job_id: str, total: int) -> None:
        """Wait until nobody works on a dismissed job, so that whoever waits for its end may delete what it wrote."""
        deadline = time.monotonic() + PARTING_SECONDS
        for number in range(total):
            while self._helpers.locks.is_held(chunk_lock(job_id, number)) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)

    def help(self, context: JobContext, number: int) -> None:
        """Do a chunk of somebody's job, unless it is done or somebody has it.

        Raises:
            Cancelled, Interrupted: told to stop. DyadError: it cannot be done; the worker that has the job will see why.
        """
        self._do(WithoutProgress(context), number)

    def _do(self, context: JobContext, number: int) -> bool:
        job_id = context.job.id
        context.check()
        try:
            with self._helpers.locks.hold(chunk_lock(job_id, number), 0) as held:
                done = _key(job_id, f"done/{number}.json")
                if self._blobs.exists(done):
                    return False
                try:
                    entries = _Lines.read(self._blobs.get(_key(job_id, f"chunks/{number}.json")))
                except NotFound:
                    return False  # the job has ended
                result = self._careful(context, number, entries)
                if not held.is_lost:
                    self._blobs.put(done, json.dumps(result).encode())
                return True
        except Busy:
            return False

    def _careful(self, context: JobContext, number: int, entries: Sequence[Entry]) -> dict[str, Any]:
        """Do a chunk; one whose worker died before, file by file, until it is known which file kills."""
        with self._attempt(context, str(number)) as deaths:
            if deaths < DEATHS:
                return self._work(context, entries)
            results = _Results(0)
            for place, entry in enumerate(single for each in entries for single in each.single()):
                context.check()
                results.by_chunk[place] = self._alone(context, f"{number}.{place}", entry)
            return results.merged()

    def _alone(self, context: JobContext, name: str, entry: Entry) -> dict[str, Any]:
        with self._attempt(context, name) as deaths:
            if deaths >= DEATHS:
                log.error("job %s: %s is given up: it stopped its worker %d times", context.job.id, entry.name, deaths)
                reason = f"given up: it stopped the worker {deaths} times"
                entry = entry.model_copy(update={"reason": reason})
            return self._work(context, [entry])

    @contextmanager
    def _attempt(self, context: JobContext, name: str) -> Iterator[int]:
        """Note that something is begun until it has ended, well or not; how many attempts at it came to no end."""
        prefix = _key(context.job.id, f"begun/{name}/")
        earlier = list(self._blobs.keys(prefix))
        own = f"{prefix}{uuid.uuid4()}"
        self._blobs.put(own, b"")
        try:
            yield len(earlier)
        except (DyadError, Cancelled, Interrupted):
            self._blobs.delete([own])
            raise
        self._blobs.delete([*earlier, own])

    def _planned(self, context: JobContext, plan: Callable[[], Iterable[Entry]]) -> int:
        """How many chunks the job has, cut now or by an earlier run."""
        key = _key(context.job.id, "plan.json")
        try:
            planned: int = json.loads(self._blobs.get(key))["chunks"]
        except NotFound:
            context.progress(0, "planning")
            planned = 0
            for chunk in _cut(plan(), self._helpers.files):
                context.check()
                self._blobs.put(_key(context.job.id, f"chunks/{planned}.json"), _Lines.write(chunk))
                planned += 1
            self._blobs.put(key, json.dumps({"chunks": planned}).encode())
        return planned

    def _done(self, job_id: str) -> set[int]:
        prefix = _key(job_id, "done/")
        return {int(key.removeprefix(prefix).removesuffix(".json")) for key in self._blobs.keys(prefix)}


@dataclass(slots=True)
class _Results:
    """Results of chunks, as `IngestRun.run` gives them."""

    total: int
    by_chunk: dict[int, dict[str, Any]] = field(default_factory=dict)

    def merged(self) -> dict[str, Any]:
        """The sum of them."""
        counts: dict[str, int] = {"rejected_count": 0}
        rejected: list[Any] = []
        for _, result in sorted(self.by_chunk.items()):
            for name, value in result.items():
                if isinstance(value, int):
                    counts[name] = counts.get(name, 0) + value
            rejected += result["rejected"]
        return {**counts, "rejected": rejected[:MAX_LISTED_REJECTIONS]}

    def progress(self) -> tuple[float, str, dict[str, int]]:
        """Percent, a line for a person, counts."""
        counts = result_counts(self.merged())
        return 99.0 * len(self.by_chunk) / max(1, self.total), progress_message(counts), counts


class _Lines:
    """A chunk's files as JSON lines."""

    @staticmethod
    def write(entries: Sequence[Entry]) -> bytes:
        return "\n".join(entry.model_dump_json(exclude_defaults=True) for entry in entries).encode()

    @staticmethod
    def read(data: bytes) -> list[Entry]:
        return [Entry.model_validate_json(line) for line in data.splitlines()]


def chunk_lock(job_id: str, number: int) -> str:
    """The lock that whoever works on a chunk holds."""
    return f"job:{job_id}.{number}"


def slices(entry: Entry, members: int, most: int) -> Iterator[Entry]:
    """A zip in parts of so many members at most."""
    for first in range(0, members, most):
        end = min(first + most, members)
        yield entry.model_copy(update={"members": (first, end), "size": entry.size * (end - first) // members})


def _cut(entries: Iterable[Entry], most: int) -> Iterator[list[Entry]]:
    chunk: list[Entry] = []
    files = size = 0
    for entry in entries:
        if chunk and (files + entry.files > most or size + entry.size > CHUNK_BYTES):
            yield chunk
            chunk, files, size = [], 0, 0
        chunk.append(entry)
        files, size = files + entry.files, size + entry.size
    if chunk:
        yield chunk


def _key(job_id: str, name: str) -> str:
    return f"{WORK}{job_id}/{name}"
