"""Cost of a query through a worker, and gain of micro-batches.

    python benchmarks/bench_remote.py [--queries 300] [--clients 32] [--rounds 3]

The same query tile is embedded here by ONNX Runtime, and by a worker of Celery's (a process of its own on this machine) through
`redis-server`, in turn, each with one thread. Then many clients query at the same time, with micro-batches and
with single queries. Needs redis-server and the extra `cluster`. On the CPU both do the same work, so that the difference is the
transport.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks._table import machine_line, print_table

sys.path.insert(0, str(Path(__file__).parents[1]))  # the worker and the server of the tests

from app.cluster.inference.micro_batches import MAX_TILES, MicroBatcher
from app.cluster.inference.queries import QuerySender, connect_bytes
from app.inference.local_models import BUNDLED
from app.inference.onnx import OnnxInference
from tests.support.query_worker import QUEUE, query_worker
from tests.support.redis import RedisServer

SECONDS = 60.0
MODEL = BUNDLED / "dyad-rgb-128"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name, default in (("queries", 300), ("clients", 32), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    print(machine_line())
    model = OnnxInference(MODEL, threads=1)
    tile = np.random.default_rng(0).integers(0, 256, (1, 128, 128, 3), dtype=np.uint8)
    with TemporaryDirectory() as folder, RedisServer(Path(folder)) as redis, connect_bytes(redis.url) as client:  # noqa: SIM117
        with query_worker(redis.url) as celery:
            sender = QuerySender(client, celery.send_task, queue=QUEUE)
            together = MicroBatcher(sender)
            alone = MicroBatcher(sender, flights=options.clients, max_tiles=1)

            def through(batcher: MicroBatcher) -> Callable[[], object]:
                return lambda: batcher.ask(model.card, tile, SECONDS)

            _latency(options, {"here": lambda: model.examine(tile), "by a worker": through(together)})
            _throughput(options, {"micro-batches": through(together), "each by itself": through(alone)})
            print(f"A micro-batch has at most {MAX_TILES} tiles.")


def _latency(options: argparse.Namespace, ways: dict[str, Callable[[], object]]) -> None:
    """One client; the ways alternate, question by question."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(options.queries + 20):
        for name, ask in ways.items():
            started = time.perf_counter()
            ask()
            if number >= 20:  # the first ones warm up
                taken[name].append(1000 * (time.perf_counter() - started))
    base = np.array(taken["here"])
    rows = [(name, *_quantiles(np.array(found)), *_quantiles(np.array(found), base)) for name, found in taken.items()]
    print_table("One client, milliseconds", ("answered", "p50", "p99", "added p50", "added p99"), rows)


def _quantiles(found: NDArray[np.float64], base: NDArray[np.float64] | None = None) -> tuple[str, str]:
    one, two = (np.quantile(found, share) - (0 if base is None else np.quantile(base, share)) for share in (0.5, 0.99))
    return f"{one:.1f}", f"{two:.1f}"


def _throughput(options: argparse.Namespace, ways: dict[str, Callable[[], object]]) -> None:
    """Many clients; the ways alternate, round by round."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(options.rounds + 1):
        for name, ask in ways.items():
            with ThreadPoolExecutor(options.clients) as pool:
                started = time.perf_counter()
                list(pool.map(lambda _, ask=ask: ask(), range(options.queries)))
                if round_:
                    rates[name].append(options.queries / (time.perf_counter() - started))
    alone = statistics.median(rates["each by itself"])
    rows = [
        (name, f"{statistics.median(found):.0f}", f"{statistics.median(found) / alone:.2f}") for name, found in rates.items()
    ]
    print_table(f"{options.clients} clients", ("queries", "queries/s", "relative to single queries"), rows)


if __name__ == "__main__":
    main()
