"""A large ingest in chunks that any number of workers share.

The worker that runs the job plans the chunks, requests help from other workers, and works on the chunks itself, from the last
to the first. A worker holds the lock of its chunk, and a chunk is done when its result is in the blob store; so a killed
worker costs at most the chunk that it worked on. Files under `work/{job}/`, deleted with the job:

::

    plan.json               number of chunks; written last
    chunks/{n}.json         the files of a chunk
    done/{n}.json           its result
    begun/{n}/{attempt}     attempts at a chunk that did not end
    begun/{n}.{file}/...    attempts at one file, in a chunk whose workers were killed repeatedly
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

from app.domain.jobs import result_counts
from app.errors import Busy, DyadError, NotFound
from app.ports import Blobs, Cancelled, Interrupted, JobContext, Locks
from app.services.ingest.plan import Entry, cut_into_chunks
from app.services.ingest.run import MAX_LISTED_REJECTIONS, progress_message
from app.services.jobs.sub_progress import WithoutProgress

log = logging.getLogger(__name__)

WORK = "work/"
"""Key prefix: `ChunkedIngest` stores its files of a job under `work/{job}/`, which is deleted when the job has ended."""
MAX_DEATHS = 2
"""After this many killed workers a chunk is processed file by file; a file with as many killed workers is rejected."""
POLL_SECONDS = 0.3
PARTING_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Helpers:
    """The workers that share an ingest. ask: requests that other workers process chunks of a job. files: maximum per chunk."""

    locks: Locks
    ask: Callable[[str, Sequence[int]], None]
    files: int = 256


Work = Callable[[JobContext, Sequence[Entry]], dict[str, Any]]
"""Indexes the files of a chunk; the result as `IngestRun.run` returns it."""


class ChunkedIngest:
    """Runs ingests in chunks. work: indexes the files of one chunk."""

    def __init__(self, blobs: Blobs, helpers: Helpers, work: Work) -> None:
        self._blobs = blobs
        self._helpers = helpers
        self._work = work

    def run(self, context: JobContext, plan: Callable[[], Iterable[Entry]]) -> dict[str, Any]:
        """Process all chunks; return the merged results of `IngestRun.run`. plan: returns the files; called once per job.

        Raises:
            Cancelled, Interrupted: the job has to stop; other workers finish at most their current chunk.
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
            self._wait_for_helpers(job_id, total)
            raise

    def _finish(self, context: JobContext, results: _Results) -> dict[str, Any]:
        """Process chunks, and wait for those of other workers, until all are done."""
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

    def _wait_for_helpers(self, job_id: str, total: int) -> None:
        """Wait until no worker processes a chunk of a dismissed job, so that its data can be deleted afterwards."""
        deadline = time.monotonic() + PARTING_SECONDS
        for number in range(total):
            while self._helpers.locks.is_held(chunk_lock(job_id, number)) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)

    def help(self, context: JobContext, number: int) -> None:
        """Process a chunk of a job of another worker, unless it is done or in progress.

        Raises:
            Cancelled, Interrupted: the job has to stop. DyadError: the chunk failed; the worker of the job will retry and fail.
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
        """Process a chunk; after repeated kills of its workers file by file, to find the file that causes them."""
        with self._attempt(context, str(number)) as deaths:
            if deaths < MAX_DEATHS:
                return self._work(context, entries)
            results = _Results(0)
            for place, entry in enumerate(single for each in entries for single in each.single()):
                context.check()
                results.by_chunk[place] = self._alone(context, f"{number}.{place}", entry)
            return results.merged()

    def _alone(self, context: JobContext, name: str, entry: Entry) -> dict[str, Any]:
        with self._attempt(context, name) as deaths:
            if deaths >= MAX_DEATHS:
                log.error("job %s: %s is rejected: its worker was killed %d times", context.job.id, entry.name, deaths)
                reason = f"rejected: the worker was killed {deaths} times while it read this file"
                entry = entry.model_copy(update={"reason": reason})
            return self._work(context, [entry])

    @contextmanager
    def _attempt(self, context: JobContext, name: str) -> Iterator[int]:
        """Record an attempt for the block and remove the record at its end; yields how many earlier attempts did not end."""
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
        """Number of chunks of the job, planned now or by an earlier run."""
        key = _key(context.job.id, "plan.json")
        try:
            planned: int = json.loads(self._blobs.get(key))["chunks"]
        except NotFound:
            context.progress(0, "planning")
            planned = 0
            for chunk in cut_into_chunks(plan(), self._helpers.files):
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
    """Results of chunks, as returned by `IngestRun.run`. total: number of chunks."""

    total: int
    by_chunk: dict[int, dict[str, Any]] = field(default_factory=dict)

    def merged(self) -> dict[str, Any]:
        """The sum of the results."""
        counts: dict[str, int] = {"rejected_count": 0}
        lists: dict[str, list[Any]] = {"rejected": []}
        for _, result in sorted(self.by_chunk.items()):
            for name, value in result.items():
                if isinstance(value, list):
                    lists[name] = lists.get(name, []) + value
                elif isinstance(value, int):
                    counts[name] = counts.get(name, 0) + value
        for name in ("rejected", "notes"):
            if name in lists:
                lists[name] = lists[name][:MAX_LISTED_REJECTIONS]
        return {**counts, **lists}

    def progress(self) -> tuple[float, str, dict[str, int]]:
        """Percent, a message, and counts."""
        counts = result_counts(self.merged())
        return 99.0 * len(self.by_chunk) / max(1, self.total), progress_message(counts), counts


class _Lines:
    """The files of a chunk as JSON lines."""

    @staticmethod
    def write(entries: Sequence[Entry]) -> bytes:
        return "\n".join(entry.model_dump_json(exclude_defaults=True) for entry in entries).encode()

    @staticmethod
    def read(data: bytes) -> list[Entry]:
        return [Entry.model_validate_json(line) for line in data.splitlines()]


def chunk_lock(job_id: str, number: int) -> str:
    """Name of the lock of a chunk, held by the worker that processes it."""
    return f"job:{job_id}.{number}"


def _key(job_id: str, name: str) -> str:
    return f"{WORK}{job_id}/{name}"
