"""Dyad's embedded store beside other vector indexes: the same vectors, boxes and number of results, in one run.

python benchmarks/bench_peers.py [--size 100000] [--dimension 256] [--queries 50] [--peers ...]

Needs the extra `peers`. Vectors are clustered and normalised; queries are vectors of the index with noise; a box takes in
about a sixth of the tiles and is new each time. Each peer runs in a process of its own, one after the other. Recall is the
share of the exact ten nearest. Memory is the growth of the process, disk that of the peer's folder. Dyad also returns records.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._peers import PEERS, Box, Dyad, NumPy, Peer, empty
from benchmarks._table import machine_line, print_table

LIMIT = 10
_CLUSTERS = 1000
_WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one peer: p50 and p99 in ms and recall without and with a box, MB of memory and disk, tiles a second."""

    name: str
    plain: tuple[float, float, float]
    boxed: tuple[float, float, float] | None
    memory: float
    disk: float
    rate: float


def main() -> None:
    """Measure all peers and print one table."""
    names = [peer.__name__ for peer in PEERS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--peers", nargs="+", choices=names, default=names)
    options = parser.parse_args()
    missing = [package for package in ("faiss", "lancedb", "usearch") if find_spec(package) is None]
    if missing:
        sys.exit(
            f"not installed: {', '.join(missing)}; install the extra `peers`: pip install -c constraints.txt -e '.[peers]'"
        )
    print(machine_line())
    rows = []
    context = multiprocessing.get_context("spawn")
    for name in options.peers:
        print(f"{name} ...", file=sys.stderr)
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            rows.append(_row(pool.submit(measure, name, options.size, options.dimension, options.queries).result()))
    columns = ["index", "p50", "p99", "recall", "box p50", "box p99", "recall", "RSS MB", "disk MB", "tiles/s"]
    print_table(f"{options.size:,} vectors of {options.dimension}, limit {LIMIT}, milliseconds", columns, rows)


def measure(name: str, size: int, dimension: int, queries: int) -> Figures:
    """All figures of one peer, in this process."""
    vectors, places, asked, boxes = _inputs(size, dimension, queries)
    exact = NumPy(Path())
    exact.fill(vectors, places)
    before = _peak()
    kind = next(peer for peer in PEERS if peer.__name__ == name)
    with tempfile.TemporaryDirectory() as scratch:
        peer: Peer = kind(empty(Path(scratch) / "index"))
        begun = time.perf_counter()
        peer.fill(vectors, places)
        rate = size / (time.perf_counter() - begun)
        if isinstance(peer, Dyad):
            peer.build()
        plain = _timed(peer, exact, asked, [None] * queries)
        boxed = _timed(peer, exact, asked, list(boxes)) if peer.filters else None
        memory = _peak() - before
        peer.close()
        disk = sum(path.stat().st_blocks * 512 for path in peer.folder.rglob("*") if path.is_file()) / 1e6
    return Figures(peer.name, plain, boxed, memory, disk, rate)


def _timed(peer: Peer, exact: Peer, asked: NDArray[np.float32], boxes: list[Box | None]) -> tuple[float, float, float]:
    for query, box in list(zip(asked, boxes, strict=True))[:_WARM_UP]:
        peer.search(query, LIMIT, box)
    times, found = [], []
    for query, box in zip(asked, boxes, strict=True):
        begun = time.perf_counter()
        rows = peer.search(query, LIMIT, box)
        times.append(1000 * (time.perf_counter() - begun))
        found.append(len(set(rows) & set(exact.search(query, LIMIT, box))) / LIMIT)
    return float(np.percentile(times, 50)), float(np.percentile(times, 99)), float(np.mean(found))


def _inputs(
    size: int, dimension: int, queries: int
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float32], list[Box]]:
    random = np.random.default_rng(0)
    centres = random.standard_normal((_CLUSTERS, dimension)).astype(np.float32)
    vectors = centres[random.integers(0, _CLUSTERS, size)] + random.standard_normal((size, dimension)).astype(np.float32)
    vectors = _unit(vectors)
    places = random.uniform((-180, -60), (179.9, 60), (size, 2))
    noise = random.standard_normal((queries, dimension)).astype(np.float32)
    asked = _unit(vectors[random.integers(0, size, queries)] + noise / dimension**0.5 / 2)
    corners = random.uniform((-180, -60), (60, 0), (queries, 2))
    return vectors, places, asked, [(west, south, west + 120, south + 60) for west, south in corners.tolist()]


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _row(figures: Figures) -> list[str]:
    number: Callable[[float], str] = "{:.2f}".format
    plain = [number(each) for each in figures.plain]
    boxed = ["", "", ""] if figures.boxed is None else [number(each) for each in figures.boxed]
    return [figures.name, *plain, *boxed, *(f"{each:,.0f}" for each in (figures.memory, figures.disk, figures.rate))]


def _peak() -> float:
    """Peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    main()
