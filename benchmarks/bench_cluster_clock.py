"""Two beats at once, and clock changes: does a schedule run exactly once each time, and is no job lost or run twice?

python benchmarks/bench_cluster_clock.py [--seconds 60] [--only beats]

Two beats tick a schedule that is due every minute, with a clock that jumps 55 seconds every five seconds; after half of the
time one beat is killed. Then the clocks of the API, the workers, beat and Redis jump an hour forward, and an hour back, during
an ingest and with a schedule. Needs a C compiler for `leaping_clock.c`, which changes the time of these processes.
"""

from __future__ import annotations

import argparse
import itertools
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._table import machine_line, print_table
from tests.support.cluster import Cluster, items_of, until, wait_for_job
from tests.support.images import jpeg_bytes, zipped

SOURCE = Path(__file__).with_name("leaping_clock.c")
STEP = 5
"""Seconds of this machine's clock in a minute of the cluster's."""
SCHEDULED, INGESTED = "scheduled", "ingested"
MINUTE = 60
FILES = 600


def main() -> None:
    """Run the parts; a row a question."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", choices=PARTS)
    options = parser.parse_args()
    if shutil.which("cc") is None:
        raise SystemExit("skipped: needs a C compiler (cc)")
    rows, is_bad = [], False
    for part in [options.only] if options.only else PARTS:
        with tempfile.TemporaryDirectory() as name:
            clocks = Clocks(Path(name), options.seconds)
            if part == "beats":
                clocks.beats()
            else:
                clocks.leap(3600 if part == "forward" else -3600)
        rows += [[f"{part}: {what}", said] for what, said in clocks.said.items()]
        is_bad = is_bad or clocks.is_bad
    print(machine_line())
    print_table("beats and clocks", ["check", "result"], rows)
    if is_bad:
        raise SystemExit(1)


class Clocks:
    """A cluster on a clock of its own."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds
        self._clock = folder / "clock"
        self.said: dict[str, str] = {}
        self.is_bad = False

    def beats(self) -> None:
        """Count the runs of a schedule that two beats tick, and that one ticks."""
        self._set(0)
        with self._cluster() as cluster:
            client = self._scheduled(cluster)
            first, _ = cluster.beat(), cluster.beat()
            minutes = itertools.count()
            while not self._runs(client):  # all of them are up
                self._hurry(minutes, 1)
            per_half = round(self._seconds / 2 / STEP)
            begun = len(self._runs(client))
            self._hurry(minutes, per_half)
            both = self._runs(client)[begun:]
            first.kill()
            self._hurry(minutes, per_half)
            all_runs = self._runs(client)
        alone = all_runs[begun + len(both) :]
        self.said["runs with two beats"] = f"{len(both)} in {self._seconds / 2:.0f} s (due {per_half} times)"
        self.said["runs with the one left"] = f"{len(alone)} in {self._seconds / 2:.0f} s"
        twice = self._doubled(all_runs)
        self.said["due times that were run twice"] = str(twice)
        self.is_bad = bool(twice) or len(both) < per_half / 2 or len(alone) < per_half / 2

    def _hurry(self, minutes: Iterator[int], count: int) -> None:
        for minute in itertools.islice(minutes, count):
            self._set(minute * (MINUTE - STEP))
            time.sleep(STEP)

    def leap(self, seconds: int) -> None:
        """Put the clock forward or back in the middle of an ingest."""
        self._set(0)
        with self._cluster() as cluster:
            client = self._scheduled(cluster)
            cluster.beat()
            until(lambda: bool(self._runs(client)), "a first run", 150)
            archive = zipped(self._folder / "a.zip", {f"{n}.jpg": jpeg_bytes(n, 48) for n in range(FILES)})
            location = self._submit(client, archive)
            until(lambda: client.get(location).json()["progress"] > 0, "a first chunk")
            before = self._runs(client)
            self._set(seconds)
            leapt = time.monotonic()
            job = wait_for_job(client, location)
            self._judge_job(client, location, job, cluster.log.read_text())
            until(lambda: len(self._runs(client)) >= len(before) + 3, "three more runs of the schedule", 300)
            lasted = time.monotonic() - leapt
            runs = self._runs(client)[len(before) :]
        self.said["scheduled runs after the leap"] = f"{len(runs)} in {lasted:.0f} s (due every {MINUTE} s)"
        twice = self._doubled(runs)
        # One catches up with what was leapt over, one is of the minute in which the clock leapt.
        extra = len(runs) > lasted / MINUTE + 2
        self.said["due times that were run twice"] = str(twice)
        self.is_bad |= bool(twice) or extra

    def _judge_job(self, client: httpx.Client, location: str, job: dict[str, Any], log: str) -> None:
        names = Counter(item["properties"]["file_name"] for item in items_of(client, INGESTED))
        starts = len(re.findall(rf"Task dyad\.run_job\[{location.rsplit('/', 1)[1]}\] received", log))
        self.said["the ingest"] = f"{job['status']}, {job['attempts']} attempt(s), {starts} message(s)"
        self.said["tiles missing, twice"] = f"{FILES - len(names)}, {sum(names.values()) - len(names)}"
        self.is_bad |= job["status"] != "successful" or job["attempts"] != 1
        self.is_bad |= len(names) != FILES or sum(names.values()) != FILES

    def _cluster(self) -> Cluster:
        library = self._folder / "leaping_clock.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE)], check=True)
        return Cluster(self._folder, env={"LD_PRELOAD": str(library), "LEAPING_CLOCK": str(self._clock)})

    def _set(self, seconds: int) -> None:
        part = self._clock.with_suffix(".part")
        part.write_text(str(seconds))
        part.replace(self._clock)

    def _scheduled(self, cluster: Cluster) -> httpx.Client:
        """A collection with a schedule of every minute over two files, another one to ingest into, and two workers."""
        client = cluster.api().client
        source = self._folder / "source"
        source.mkdir()
        for number in range(2):
            (source / f"{number}.jpg").write_bytes(jpeg_bytes(number, 48))
        for name in (SCHEDULED, INGESTED):
            client.post("/collections", json={"id": name, "model": "hog"}).raise_for_status()
        for _ in range(2):
            cluster.worker()
        schedule = {"cron": "* * * * *", "sources": [str(source)]}
        client.put(f"/collections/{SCHEDULED}/schedule", json=schedule).raise_for_status()
        return client

    def _submit(self, client: httpx.Client, archive: Path) -> str:
        with archive.open("rb") as file:
            answer = client.post(f"/collections/{INGESTED}/items", files={"files": ("a.zip", file)})
        location: str = answer.raise_for_status().headers["location"]
        return location

    def _runs(self, client: httpx.Client) -> list[datetime]:
        """When the runs of the schedule were submitted, the first one first."""
        jobs = client.get(f"/jobs?collection={SCHEDULED}&limit=1000").raise_for_status().json()["jobs"]
        return [datetime.fromisoformat(job["created"]).astimezone(UTC) for job in reversed(jobs)]

    def _doubled(self, runs: list[datetime]) -> int:
        """Runs beyond the first of a minute: each due time is one."""
        minutes = Counter(run.replace(second=0, microsecond=0) for run in runs)
        return sum(count - 1 for count in minutes.values())


PARTS = ("beats", "forward", "back")

if __name__ == "__main__":
    main()
