"""Search by item id through HTTP compared with the bare engine query, on synthetic vectors, with and without a geo filter.

python benchmarks/bench_search.py [--sizes 1000 10000 100000] [--queries 300]

The bare query is one `EdgeShard.search` with the same vector, limit, filter and payload, in this process, on a copy of the
service's folder. *Peer* is a service of thirty lines, FastAPI and faiss (`_faiss_service.py`), which returns ids and
similarities only; it needs the extra `peers`. Then the service starts again, with the files of a clean end. All in one run.
Services run in processes of their own; the client is the standard library's, here, over one connection, one request at a time.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import qdrant_edge as edge

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._archive import Archive, fill, wait_for_search_table
from benchmarks._process_memory import ANONYMOUS, RESIDENT, resident
from benchmarks._table import machine_line, print_table
from tests.support.process import ServeProcess
from tests.support.redis import free_port

COLLECTION = "synthetic"
SEARCH = f"/collections/{COLLECTION}/search?item="
LIMIT = 10
BOX = 120.0
"""Degrees: the width of a filter's box; it takes in about a quarter of the tiles."""


def main() -> None:
    """Measure every size and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--folder", type=Path, help="where the state folders are made; default: the system's")
    options = parser.parse_args()
    rows: list[Sequence[str]] = []
    starts: list[Sequence[str]] = []
    for size in options.sizes:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            archive = fill(Path(folder), COLLECTION, "hog", size)
            rows += measure(Path(folder), archive, options.queries)
            starts.append(measure_start(Path(folder), archive))
    print(machine_line())
    columns = ["tiles", "filter", "bare p50", "bare p99", "HTTP p50", "HTTP p99", "added p50", "peer p50", "peer p99"]
    print_table(f"Search by item id, limit {LIMIT}, milliseconds", columns, rows)
    columns = ["tiles", "start to address, s", "first search, s", "anonymous memory, MiB", "resident, MiB"]
    print_table("The service starts again", columns, starts)


def measure(home: Path, archive: Archive, queries: int) -> list[Sequence[str]]:
    """The rows of one size."""
    ids, vectors, size = archive.ids, archive.embeddings, len(archive.ids)
    random = np.random.default_rng(1)
    chosen = random.integers(0, size, queries).tolist()
    boxes = [(west, south, west + BOX, south + BOX / 2) for west, south in random.uniform((-180, -60), (60, 0), (queries, 2))]
    bare = bare_queries(home, vectors[chosen], boxes)
    rows: list[Sequence[str]] = []
    with ServeProcess(home) as service:
        asker(service.url, SEARCH, ids, boxes, chosen)(0, 0)  # begins the search table
        wait_for_search_table(size)
        served = measure_kinds(
            queries, asker(service.url, SEARCH, ids, boxes, chosen)
        )  # a connection that did not wait as long
    beside: dict[str, list[float]] = {}
    if find_spec("faiss") is not None:
        with peer_service(home / "peer", archive) as url:
            rows_of = [str(number) for number in range(size)]
            beside = measure_kinds(queries, asker(url, "/search?item=", rows_of, boxes, chosen))
    for name, times in served.items():
        floor = bare["none" if name == "none" else "box"]
        p50, p99 = np.percentile(times, (50, 99))
        low, high = np.percentile(floor, (50, 99))
        peer = [f"{each:.2f}" for each in np.percentile(beside[name], (50, 99))] if beside else ["", ""]
        rows.append([f"{size:,}", name, *(f"{each:.2f}" for each in (low, high, p50, p99, p50 - low)), *peer])
    return rows


def measure_start(home: Path, archive: Archive) -> Sequence[str]:
    """How long a service takes that finds the files of a clean end, and its memory after the first search."""
    with ServeProcess(home) as service:
        begun = time.perf_counter()
        asker(service.url, SEARCH, archive.ids, [], [0])(0, None)
        seconds = time.perf_counter() - begun
        memory = [resident(service.process.pid, kind) / (1 << 20) for kind in (ANONYMOUS, RESIDENT)]
    return [f"{len(archive.ids):,}", f"{service.ready_seconds:.1f}", f"{seconds:.2f}", *(f"{each:.0f}" for each in memory)]


def measure_kinds(queries: int, ask: Callable[[int, int | None], None]) -> dict[str, list[float]]:
    """Milliseconds of each request, by the kind of its filter."""
    return {
        "none": timed(queries, lambda number: ask(number, None)),
        "one box": timed(queries, lambda number: ask(number, 0)),
        "a new box each": timed(queries, lambda number: ask(number, number)),
    }


def asker(
    url: str, path: str, ids: Sequence[str], boxes: Sequence[tuple[float, ...]], chosen: Sequence[int]
) -> Callable[[int, int | None], None]:
    """A function that asks for the tiles most similar to a chosen one, in the box of a number or in none."""
    connection = HTTPConnection(url.removeprefix("http://"))

    def ask(number: int, box: int | None) -> None:
        address = f"{path}{ids[chosen[number]]}&limit={LIMIT}"
        if box is not None:
            address += "&bbox=" + ",".join(f"{value:.6f}" for value in boxes[box])
        connection.request("GET", address)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200 or b'"similarity"' not in body:
            raise RuntimeError(body)

    return ask


@contextmanager
def peer_service(folder: Path, archive: Archive) -> Iterator[str]:
    """The address of the peer, with the same vectors and places."""
    folder.mkdir()
    np.save(folder / "vectors.npy", archive.embeddings)
    np.save(folder / "places.npy", archive.places)
    port = free_port()
    command = [sys.executable, str(Path(__file__).with_name("_faiss_service.py"))]
    process = subprocess.Popen([*command, str(folder / "vectors.npy"), str(folder / "places.npy"), str(port)])
    try:
        for _ in range(600):
            try:
                HTTPConnection("127.0.0.1", port).connect()
            except OSError:
                time.sleep(0.1)
            else:
                break
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def bare_queries(
    home: Path, vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]], boxes: Sequence[tuple[float, ...]]
) -> dict[str, list[float]]:
    """Milliseconds of each bare engine query, without and with a geo filter (on the tiles' centres)."""
    bare = home / "bare"  # a copy, because the service refuses files that another process changed
    shutil.copytree(next((home / "vectors").glob("*/shard")), bare)
    shard = edge.EdgeShard.load(str(bare))

    def ask(number: int, box: tuple[float, ...] | None) -> None:
        filter = None
        if box is not None:
            corners = edge.GeoPoint(box[0], box[3]), edge.GeoPoint(box[2], box[1])
            field = edge.FieldCondition("center", geo_bounding_box=edge.GeoBoundingBox(*corners))
            filter = edge.Filter(must=[field])
        query = edge.Query.Nearest(vectors[number].tolist())
        shard.search(edge.SearchRequest(query=query, limit=LIMIT, filter=filter, with_payload=["record"]))

    count = len(vectors)
    times = {
        "none": timed(count, lambda number: ask(number, None)),
        "box": timed(count, lambda number: ask(number, boxes[number])),
    }
    shard.close()
    shutil.rmtree(bare)
    return times


def timed(count: int, ask: Callable[[int], None]) -> list[float]:
    """Milliseconds of each call, after a tenth as many to warm up."""
    for number in range(max(count // 10, 1)):
        ask(number)
    times = []
    for number in range(count):
        start = time.perf_counter()
        ask(number)
        times.append((time.perf_counter() - start) * 1000)
    return times


if __name__ == "__main__":
    main()
