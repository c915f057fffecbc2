"""The time to create a collection over HTTP, on the disk of temporary files and in memory.

python benchmarks/bench_collections.py [--count 20] [--memory /dev/shm]

*Bare* is the engine's empty shard with its payload indexes, created in the same folder by this process.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.stores.vectors.edge.edge_store import EdgeVectorStore
from benchmarks._table import machine_line, print_table
from tests.support.process import ServeProcess

DIMENSION = 256


def main() -> None:
    """Measure both places and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"))
    options = parser.parse_args()
    rows = []
    for name, parent in (("disk", None), ("memory", options.memory)):
        with tempfile.TemporaryDirectory(dir=parent) as folder:
            bare = [1000 * each for each in create_bare(Path(folder), options.count)]
            served = [1000 * each for each in create_served(Path(folder), options.count)]
        rows.append([name, *(f"{np.median(times):.0f}" for times in (bare, served)), f"{max(served):.0f}"])
    print(machine_line())
    print_table(
        f"Creating one of {options.count} collections, milliseconds", ["state folder", "bare p50", "HTTP p50", "longest"], rows
    )


def create_bare(folder: Path, count: int) -> list[float]:
    """Seconds of each empty index."""
    store, times = EdgeVectorStore(folder / "bare"), []
    for number in range(count):
        begun = time.perf_counter()
        store.create_index(f"index-{number}", DIMENSION)
        times.append(time.perf_counter() - begun)
    store.close()
    return times


def create_served(folder: Path, count: int) -> list[float]:
    """Seconds of each request."""
    times = []
    with ServeProcess(folder / "home") as service:
        for number in range(count):
            begun = time.perf_counter()
            service.client.post("/collections", json={"id": f"c{number}"}).raise_for_status()
            times.append(time.perf_counter() - begun)
    return times


if __name__ == "__main__":
    main()
