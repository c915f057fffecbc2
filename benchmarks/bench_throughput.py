"""Searches a second over HTTP with several clients at once, and what one pass over the vectors for several queries would gain.

python benchmarks/bench_throughput.py [--size 100000] [--clients 1 4 32] [--seconds 5]

Clients are processes of the standard library, on the same machine, so they take processor time from the service. *Services* are
several, each with a copy of the state folder that nobody writes to, and clients that take turns. *Bare* is the search table
alone, without a server: one query after another, and batches of queries as one float32 matrix product.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.stores.vectors.edge.table.quantised_vectors import QuantisedVectors
from benchmarks._archive import fill, wait_for_search_table
from benchmarks._table import machine_line, print_table
from tests.support.process import ServeProcess

COLLECTION = "synthetic"
LIMIT = 10
PROCESSES = 2
BATCHES = (1, 8, 32)
SERVICES, OF_SERVICES = (1, 2, 4), 8
"""Numbers of services, and the number of clients that they share."""
Vectors = np.ndarray[tuple[int, int], np.dtype[np.float32]]


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 32])
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        archive = fill(Path(folder), COLLECTION, "hog", options.size)
        rows = measure(Path(folder), archive.ids, options.clients, options.seconds)
        copies = [measure_copies(Path(folder), archive.ids, count, options.seconds) for count in SERVICES]
        bare = measure_batches(Path(folder) / "bare" / "vectors", archive.embeddings)
    print(machine_line())
    columns = ["clients", "searches/s", "p50 ms", "p99 ms"]
    print_table(f"Searches over HTTP, {options.size:,} tiles, limit {LIMIT}", columns, rows)
    print_table(f"Several services, {OF_SERVICES} clients", ["services", *columns[1:]], copies)
    print_table("Bare, milliseconds a query", ["queries at once", "int8 table, one by one", "float32 product"], bare)


def measure(home: Path, ids: Sequence[str], clients: Sequence[int], seconds: float) -> list[Sequence[str]]:
    """A row for each number of clients."""
    rows: list[Sequence[str]] = []
    with ServeProcess(home) as service:
        host = service.url.removeprefix("http://")
        client(host, ids, 2.0, 0)  # begins the search table
        wait_for_search_table(len(ids))
        rows += [run_clients(str(count), [host], ids, count, seconds) for count in clients]
    return rows


def measure_copies(home: Path, ids: Sequence[str], services: int, seconds: float) -> Sequence[str]:
    """A row of some services, each on a copy of a home that no service has open."""
    with ExitStack() as stack:
        hosts = []
        for number in range(services):
            copy = home.with_name(f"{home.name}-copy{number}")
            stack.callback(shutil.rmtree, copy)
            shutil.copytree(home, copy)
            hosts.append(stack.enter_context(ServeProcess(copy)).url.removeprefix("http://"))
        for host in hosts:
            client(host, ids, 2.0, 0)
        wait_for_search_table(services * len(ids))
        return run_clients(str(services), hosts, ids, OF_SERVICES, seconds)


def run_clients(name: str, hosts: Sequence[str], ids: Sequence[str], count: int, seconds: float) -> Sequence[str]:
    """A row of some clients, which take turns with the services."""
    shares = [share for share in np.array_split(range(count), PROCESSES) if len(share)]
    with ProcessPoolExecutor(len(shares)) as pool:
        found = pool.map(partial(clients_of, hosts, ids, seconds), shares)
        times = [each for share in found for each in share]
    p50, p99 = np.percentile(times, (50, 99))
    return [name, f"{len(times) / seconds:.0f}", f"{p50:.1f}", f"{p99:.1f}"]


def clients_of(hosts: Sequence[str], ids: Sequence[str], seconds: float, seeds: Sequence[int]) -> list[float]:
    """Milliseconds of each request of several clients, one thread each."""
    times: list[float] = []

    def run(seed: int) -> None:
        times.extend(client(hosts[seed % len(hosts)], ids, seconds, seed))

    threads = [Thread(target=run, args=(int(seed),)) for seed in seeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def client(host: str, ids: Sequence[str], seconds: float, seed: int) -> list[float]:
    """Milliseconds of each request of one client, which sends one after another for some time."""
    connection, chosen, times = HTTPConnection(host), random.Random(seed), []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        connection.request("GET", f"/collections/{COLLECTION}/search?item={chosen.choice(ids)}&limit={LIMIT}")
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(body)
        times.append((time.perf_counter() - start) * 1000)
    connection.close()
    return times


def measure_batches(file: Path, vectors: Vectors) -> list[Sequence[str]]:
    """A row for each size of a batch: the fastest of some runs."""
    file.parent.mkdir(parents=True)
    table = QuantisedVectors(file, vectors.shape[1])
    table.resize(len(vectors))
    table.set(np.arange(len(vectors)), vectors)
    rows: list[Sequence[str]] = []
    for size in BATCHES:
        queries = vectors[:size]
        one = fastest(partial(one_by_one, table, queries)) / size
        product = fastest(partial(batch, table.exact.rows, queries)) / size
        rows.append([str(size), f"{one:.2f}", f"{product:.2f}"])
    return rows


def one_by_one(table: QuantisedVectors, queries: Vectors) -> None:
    """The best rows of each query, as the service finds them."""
    for query in queries:
        table.nearest(query, LIMIT, None)


def batch(vectors: Vectors, queries: Vectors) -> None:
    """The best rows of each query."""
    scores = queries @ vectors.T
    np.argpartition(scores, scores.shape[1] - LIMIT, axis=1)


def fastest(run: Callable[[], object], count: int = 7) -> float:
    """Milliseconds of the fastest run."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1000)
    return min(times)


if __name__ == "__main__":
    main()
