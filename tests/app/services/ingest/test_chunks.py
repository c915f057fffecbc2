"""Chunks of an ingest: planned once, done once, and what becomes of those whose workers die."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from app.errors import Unavailable
from app.ports import Cancelled, JobContext
from app.services.ingest.chunks import ChunkedIngest, Helpers, chunk_lock
from app.services.ingest.plan import Entry, slices
from app.stores.blobs.object_blobs import ObjectBlobs
from app.stores.local_locks import LocalLocks
from tests.support.context import Context

CHUNK_FILES = 20


class Died(BaseException):
    """What a kill looks like from within: nothing after it happens."""


class Bench:
    """Chunked ingests over one folder, as several workers would run them one after another."""

    def __init__(self, folder: Path) -> None:
        self.blobs = ObjectBlobs(folder)
        self.locks = LocalLocks()
        self.asked: list[int] = []
        self.done: Counter[str] = Counter()
        self.deadly: set[str] = set()
        self.trouble: Exception | None = None
        self.planned = 0

    def worker(self) -> ChunkedIngest:
        return ChunkedIngest(
            self.blobs, Helpers(self.locks, lambda job, numbers: self.asked.extend(numbers), CHUNK_FILES), self.work
        )

    def work(self, context: JobContext, entries: Sequence[Entry]) -> dict[str, Any]:
        if self.trouble is not None:
            raise self.trouble
        indexed, rejected = 0, []
        for entry in entries:
            if entry.reason is not None:
                rejected.append({"file_name": entry.name, "reason": entry.reason})
                continue
            if entry.name in self.deadly:
                raise Died
            self.done[entry.name] += entry.files
            indexed += entry.files
        return {"indexed": indexed, "rejected_count": len(rejected), "rejected": rejected}

    def run(self, entries: Sequence[Entry], context: Context | None = None) -> dict[str, Any]:
        def plan() -> Sequence[Entry]:
            self.planned += 1
            return entries

        return self.worker().run(context or Context(), plan)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def files(count: int) -> list[Entry]:
    return [Entry(name=f"{number}.jpg", path=f"{number:06d}") for number in range(count)]


def test_every_file_is_worked_on_once(bench: Bench) -> None:
    context = Context()
    count = 2 * CHUNK_FILES + 10
    result = bench.run([*files(count), Entry(name="bad", reason="no image")], context)
    assert result == {"indexed": count, "rejected_count": 1, "rejected": [{"file_name": "bad", "reason": "no image"}]}
    assert set(bench.done.values()) == {1}
    assert bench.asked == [0, 1, 2]
    assert context.published[-1][0] == 99
    assert context.published[-1][2] == {"indexed": count, "rejected": 1}


def test_a_small_ingest_asks_nobody(bench: Bench) -> None:
    assert bench.run(files(3))["indexed"] == 3
    assert bench.asked == []


def test_an_ingest_of_nothing_counts_nothing(bench: Bench) -> None:
    assert bench.run([]) == {"indexed": 0, "rejected_count": 0, "rejected": []}


def test_large_files_and_zips_are_cut_by_size(bench: Bench) -> None:
    parts = slices(Entry(name="a.zip", path="a", size=1000), CHUNK_FILES + 4, CHUNK_FILES)
    large = [Entry(name=f"{number}.tif", path=f"/{number}.tif", size=200 << 20) for number in range(3)]
    assert bench.run([*parts, *large])["indexed"] == CHUNK_FILES + 7
    assert len(bench.asked) == 4  # the first of the large ones fits to the end of the zip


def test_an_interrupted_run_goes_on_with_what_is_left(bench: Bench) -> None:
    bench.trouble = Unavailable("the vector store is away")
    with pytest.raises(Unavailable):
        bench.run(files(50))
    bench.trouble = None
    bench.worker().help(Context(), 1)
    assert sum(bench.done.values()) == CHUNK_FILES
    assert bench.run(files(50))["indexed"] == 50
    assert set(bench.done.values()) == {1}
    assert bench.planned == 1


def test_a_chunk_that_somebody_has_is_left_to_them(bench: Bench) -> None:
    with bench.locks.hold(chunk_lock("1", 0)):
        assert bench.run(files(3))["indexed"] == 3  # the same thread: it has the chunk itself
    bench.worker().help(Context(), 0)
    assert set(bench.done.values()) == {1}


def test_a_file_that_kills_is_found_and_given_up_and_the_rest_indexed(bench: Bench) -> None:
    bench.deadly = {"7.jpg"}
    deaths = 0
    while True:
        try:
            result = bench.run(files(15))
            break
        except Died:
            deaths += 1
            assert deaths < 10
    assert deaths == 4
    assert result["indexed"] == 14
    reason = "rejected: the worker was killed 2 times while it read this file"
    assert result["rejected"] == [{"file_name": "7.jpg", "reason": reason}]


def test_trouble_that_passes_is_no_death(bench: Bench) -> None:
    for _ in range(5):
        bench.trouble = Unavailable("away")
        with pytest.raises(Unavailable):
            bench.run(files(5))
    bench.trouble = None
    assert bench.run(files(5)) == {"indexed": 5, "rejected_count": 0, "rejected": []}
    assert sum(bench.done.values()) == 5


def test_a_dismissed_job_ends_when_its_helpers_have_let_go(bench: Bench) -> None:
    let_go = threading.Event()
    held = threading.Event()

    def help() -> None:
        with bench.locks.hold(chunk_lock("1", 0)):
            held.set()
            time.sleep(0.1)
            let_go.set()

    looks = iter(range(10))

    def stop() -> None:
        if next(looks) > 0:  # the first is while it is planned
            raise Cancelled("dismissed")

    helper = threading.Thread(target=help)
    helper.start()
    assert held.wait(60)
    with pytest.raises(Cancelled):
        bench.run(files(3), Context(stop=stop))
    assert let_go.is_set()
    helper.join()
