"""Search by item id through HTTP compared with the bare engine query, on synthetic vectors, with and without a geo filter.

python benchmarks/bench_search.py [--sizes 1000 10000 100000] [--queries 300]

The bare query is one `EdgeShard.search` with the same vector, limit, filter and payload, in this process, on a copy of the
service's folder; both in one run. The service runs in a process of its own; the client is the standard
library's, here, over one connection, one request at a time.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import qdrant_edge as edge

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._archive import fill
from benchmarks._table import machine_line, print_table
from tests.support.process import ServeProcess

COLLECTION = "synthetic"
LIMIT = 10
BOX = 120.0
"""Degrees: the width of a filter's box; it takes in about a quarter of the tiles."""


def main() -> None:
    """Measure every size and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--queries", type=int, default=300)
    options = parser.parse_args()
    rows: list[Sequence[str]] = []
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            rows += measure(Path(folder), size, options.queries)
    print(machine_line())
    columns = ["tiles", "filter", "bare p50", "bare p99", "HTTP p50", "HTTP p99", "added p50"]
    print_table(f"Search by item id, limit {LIMIT}, milliseconds", columns, rows)


def measure(home: Path, size: int, queries: int) -> list[Sequence[str]]:
    """The rows of one size."""
    archive = fill(home, COLLECTION, "hog", size)
    ids, vectors = archive.ids, archive.embeddings
    random = np.random.default_rng(1)
    chosen = random.integers(0, size, queries)
    boxes = [(west, south, west + BOX, south + BOX / 2) for west, south in random.uniform((-180, -60), (60, 0), (queries, 2))]
    bare = bare_queries(home, vectors[chosen], boxes)
    rows: list[Sequence[str]] = []
    with ServeProcess(home) as service:
        connection = HTTPConnection(service.url.removeprefix("http://"))

        def ask(number: int, box: tuple[float, ...] | None) -> None:
            address = f"/collections/{COLLECTION}/search?item={ids[chosen[number]]}&limit={LIMIT}"
            if box is not None:
                address += "&bbox=" + ",".join(f"{value:.6f}" for value in box)
            connection.request("GET", address)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200 or b'"rank"' not in body:
                raise RuntimeError(body)

        served = {
            "none": timed(queries, lambda number: ask(number, None)),
            "one box": timed(queries, lambda number: ask(number, boxes[0])),
            "a new box each": timed(queries, lambda number: ask(number, boxes[number])),
        }
    for name, times in served.items():
        floor = bare["none" if name == "none" else "box"]
        p50, p99 = np.percentile(times, (50, 99))
        low, high = np.percentile(floor, (50, 99))
        rows.append([f"{size:,}", name, f"{low:.2f}", f"{high:.2f}", f"{p50:.2f}", f"{p99:.2f}", f"{p50 - low:.2f}"])
    return rows


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
