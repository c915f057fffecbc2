"""Faults in a cluster: kill -9 of workers during chunks, restarts of Redis with and without its file, races of APIs and
workers.

python benchmarks/bench_cluster_kill.py [--kills 100] [--restarts 10] [--files 600] [--workers 2] [--only kills]

Each part runs a real cluster: API and worker processes, beat, redis-server, blobs in a folder, and the vector server of the
tests (it answers as Qdrant does over one Edge shard a collection). Checks after each part: every tile that
a job reported exists, no tile exists twice, every file is indexed, and every job ended in the expected state.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._killing import show_progress
from benchmarks._table import machine_line, print_table
from tests.support.cluster import Cluster, WorkerProcess, items_of, until
from tests.support.images import jpeg_bytes, zipped

COLLECTION = "broken"
JOB_SECONDS = 900.0
PAUSE = (0.5, 6.0)
"""Seconds between two blows, at random."""


def main() -> None:
    """Run the parts; one row a question."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--restarts", type=int, default=10)
    parser.add_argument("--files", type=int, default=600)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", choices=["kills", "redis-append-only", "redis-forgetting", "race"])
    options = parser.parse_args()
    parts: dict[str, Callable[[Broken], None]] = {
        "kills": lambda broken: broken.kill_workers(options.kills, options.workers),
        "redis-append-only": lambda broken: broken.restart_redis(options.restarts, options.workers),
        "redis-forgetting": lambda broken: broken.restart_redis(options.restarts, options.workers),
        "race": lambda broken: broken.race(),
    }
    rows, is_bad = [], False
    for name, part in parts.items():
        if options.only not in (None, name):
            continue
        with tempfile.TemporaryDirectory() as folder:
            archive = zipped(Path(folder) / "a.zip", {f"{n}.jpg": jpeg_bytes(n, 48) for n in range(options.files)})
            with Cluster(Path(folder), append_only=name != "redis-forgetting") as cluster:
                broken = Broken(cluster, archive, options.files)
                part(broken)
                broken.finish()
        rows += [[name, what, str(count)] for what, count in broken.counts.items()]
        is_bad = is_bad or broken.is_bad
    print(machine_line())
    print_table("faults in a cluster", ["part", "check", "count"], rows)
    if is_bad:
        raise SystemExit(1)


class Broken:
    """One cluster through all blows of a part, and what it is asked after them."""

    def __init__(self, cluster: Cluster, archive: Path, files: int) -> None:
        self.cluster = cluster
        self.archive = archive
        self.files = files
        self.random = random.Random(1)
        self.client = cluster.api().client
        self.jobs: list[str] = []
        self.reported: set[str] = set()
        self.counts = dict.fromkeys(["blows", "blows while a job ran", "jobs", "reported tiles", *BAD], 0)
        self.client.post("/collections", json={"id": COLLECTION, "model": "hog"}).raise_for_status()

    @property
    def is_bad(self) -> bool:
        """Whether anything was lost, doubled or untrue."""
        return any(self.counts[name] for name in BAD)

    def kill_workers(self, kills: int, workers: int) -> None:
        """kill -9 one of the workers at a random moment, and start another in its place."""
        self.cluster.beat()
        crew = [self.cluster.worker() for _ in range(workers)]

        def blow() -> None:
            place = self.random.randrange(workers)
            crew[place].kill()
            crew[place] = self.cluster.worker(pool=self.random.choice(["prefork", "solo"]))

        self._under_blows(kills, blow)

    def restart_redis(self, restarts: int, workers: int) -> None:
        """kill -9 Redis, and start it again after a while, on its file if it is append-only, else empty."""
        self.cluster.beat()
        for _ in range(workers):
            self.cluster.worker()

        def blow() -> None:
            self.cluster.redis.kill()
            time.sleep(self.random.uniform(0, 10))
            self.cluster.redis.start()

        self._under_blows(restarts, blow)

    def race(self) -> None:
        """Two APIs take in the same files at once, which four workers index."""
        other = self.cluster.api().client
        workers: list[WorkerProcess] = [self.cluster.worker() for _ in range(4)]
        clients = [self.client, other] * 2
        threads = [threading.Thread(target=self.submit, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.counts["blows"] = len(workers)

    def submit(self, client: httpx.Client | None = None) -> None:
        """The archive, always under the same name."""
        with self.archive.open("rb") as file:
            answer = (client or self.client).post(f"/collections/{COLLECTION}/items", files={"files": ("tiles.zip", file)})
        self.jobs.append(answer.raise_for_status().headers["location"])
        self.counts["jobs"] += 1

    def _under_blows(self, count: int, blow: Callable[[], None]) -> None:
        self._submit_new()
        for number in range(count):
            time.sleep(self.random.uniform(*PAUSE))
            if self._has_ended(self.jobs[-1]):
                self.check()
                self._submit_new()
            else:
                self.counts["blows while a job ran"] += 1
            blow()
            self.counts["blows"] += 1
            show_progress(number + 1, count)

    def _submit_new(self) -> None:
        """The same files as another archive's: as much work as the first time."""
        name = f"round{len(self.jobs)}.zip"

        def is_taken() -> bool:
            with self.archive.open("rb") as file:
                answer = self.client.post(f"/collections/{COLLECTION}/items", files={"files": (name, file)})
            if answer.status_code == 503 and answer.headers.get("retry-after"):
                return False
            self.jobs.append(answer.raise_for_status().headers["location"])
            return True

        until(is_taken, "a job to be taken", JOB_SECONDS)
        self.counts["jobs"] += 1

    def _has_ended(self, location: str) -> bool:
        answer = self.client.get(location)
        if answer.status_code == 404:  # forgotten by Redis: not yet brought back, or it had ended
            return not (self.cluster.folder / "blobs" / "journal" / f"{location.rsplit('/', 1)[1]}.json").exists()
        if answer.status_code == 503:
            return False
        return answer.raise_for_status().json()["status"] in ("successful", "failed", "dismissed")

    def check(self) -> None:
        """What the last job reported must be there, each tile once."""
        results = self.client.get(f"{self.jobs[-1]}/results")
        if results.status_code != 200:  # counted by its status, or its record was forgotten with Redis's memory
            return
        self.reported |= set(results.json()["item_ids"])
        there = [item["id"] for item in items_of(self.client, COLLECTION)]
        self.counts["reported tiles"] = len(self.reported)
        self.counts["reported tiles lost"] = len(self.reported - set(there))
        self.counts["tiles twice"] += len(there) - len(set(there))
        if len(results.json()["item_ids"]) != self.files:
            self.counts["files missing of a job"] += 1

    def finish(self) -> None:
        """Let the last jobs end, and look once more."""
        for location in self.jobs[-4:]:
            until(lambda at=location: self._has_ended(at), "the end of a job", JOB_SECONDS)  # type: ignore[misc]
            answer = self.client.get(location)
            self.counts["jobs that did not succeed"] += answer.status_code == 200 and answer.json()["status"] != "successful"
        self.check()
        names = [item["properties"]["source"] for item in items_of(self.client, COLLECTION)]
        self.counts["tiles twice"] += len(names) - len(set(names))


BAD = ["reported tiles lost", "tiles twice", "files missing of a job", "jobs that did not succeed"]

if __name__ == "__main__":
    main()
