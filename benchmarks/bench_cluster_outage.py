"""Outages of a part of a cluster under load: Redis, the vector store, the object store.

python benchmarks/bench_cluster_outage.py [--seconds 30] [--around 10] [--clients 2] [--workers 2] [--only redis-stopped]

Two APIs, workers and beat keep running. Clients search, upload and poll jobs before, during and after the outage: the part is
stopped (SIGSTOP: it accepts connections and answers nothing), or terminated and restarted. Every request must be answered in
time, with a result or with 503 and `Retry-After`; every accepted job must succeed, and every file of it exist once.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._table import machine_line, print_table
from tests.support.cluster import Cluster, items_of, wait_for_job
from tests.support.load import Load
from tests.support.s3 import S3Server

COLLECTION = "broken"
JOB_SECONDS = 600.0
Blow = Callable[[], None]


def main() -> None:
    """Run the parts; a row a question."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--around", type=float, default=10.0, help="seconds of load before and after")
    parser.add_argument("--clients", type=int, default=2, help="clients of each kind")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", choices=PARTS)
    options = parser.parse_args()
    rows, is_bad = [], False
    for part in [options.only] if options.only else PARTS:
        with ExitStack() as stack:
            outage = Outage(stack, part, options.workers)
            outage.run(options.seconds, options.around, options.clients)
        rows += [[f"{part}: {what}", found] for what, found in outage.found().items()]
        is_bad = is_bad or outage.is_bad
        for line in outage.complaints:
            sys.stderr.write(f"{part}: {line}\n")
    print(machine_line())
    print_table(f"outage of {options.seconds:.0f} s under load", ["check", "result"], rows)
    if is_bad:
        raise SystemExit(1)


class Outage:
    """A cluster with an outage of one part."""

    def __init__(self, stack: ExitStack, part: str, workers: int) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self._objects = stack.enter_context(S3Server(folder / "s3.log")) if part.startswith("objects") else None
        self._cluster = stack.enter_context(Cluster(folder, env=_blobs(self._objects)))
        self._part = part
        apis = [self._cluster.api() for _ in range(2)]
        self._client = apis[0].client
        self.load = Load([api.url for api in apis], COLLECTION)
        self._cluster.beat()
        for _ in range(workers):
            self._cluster.worker()
        self.ended: Counter[str] = Counter()
        self.lost = self.twice = 0
        self.complaints: list[str] = []

    @property
    def is_bad(self) -> bool:
        """Whether anything was lost, doubled, untrue or hung."""
        return bool(self.lost or self.twice or self.complaints)

    def run(self, seconds: float, around: float, clients: int) -> None:
        """Load, blow, load; then look at all that was promised."""
        self._client.post("/collections", json={"id": COLLECTION, "model": "hog"}).raise_for_status()
        away, back = self._blows()
        with self.load.running(clients):
            time.sleep(around)
            away()
            time.sleep(seconds)
            back()
            time.sleep(around)
        self._check()

    def found(self) -> dict[str, str]:
        """For the table."""
        answers = {}
        for kind, tally in self.load.tallies.items():
            counts = f"{tally.statuses.total()}, {tally.statuses['503']}"
            answers[f"{kind}: answers, of them 503, the longest"] = f"{counts}, {tally.longest:.1f} s"
        ended = ", ".join(f"{count} {status}" for status, count in sorted(self.ended.items()))
        lost = f"{self.lost}, {self.twice}"
        return {**answers, "promised jobs": ended, "tiles lost, twice": lost, "other answers": str(len(self.complaints))}

    def _blows(self) -> tuple[Blow, Blow]:
        redis, vectors, objects = self._cluster.redis, self._cluster.vectors, self._objects
        blows: dict[str, tuple[Blow, Blow]] = {
            "redis-stopped": (redis.freeze, redis.thaw),
            "redis-restarted": (redis.stop, redis.start),
            "vectors-stopped": (vectors.freeze, vectors.thaw),
            "vectors-restarted": (vectors.kill, vectors.start),
        }
        if objects is not None:
            blows["objects-stopped"] = (objects.hold, objects.go_on)
        return blows[self._part]

    def _check(self) -> None:
        for kind, tally in self.load.tallies.items():
            self.complaints += [f"{kind}: {wrong}" for wrong in tally.wrong]
        well = set()
        for location, name in self.load.promised.items():
            job = wait_for_job(self._client, location, JOB_SECONDS)
            self.ended[job["status"]] += 1
            if job["status"] == "successful":
                well.add(name)
            else:
                self.complaints.append(f"{location} {job['status']}: {job['message']}")
        there = Counter(item["properties"]["source"] for item in items_of(self._client, COLLECTION))
        self.lost = len(well - there.keys())
        self.twice = sum(count - 1 for count in there.values())


def _blobs(objects: S3Server | None) -> Mapping[str, str]:
    return {} if objects is None else {**objects.environment, "DYAD_BLOBS_URL": f"s3://{objects.bucket()}/dyad"}


PARTS = ("redis-stopped", "redis-restarted", "vectors-stopped", "vectors-restarted", "objects-stopped")

if __name__ == "__main__":
    main()
