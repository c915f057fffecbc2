"""kill -9 of the service at random times during a scheduled sync: nothing may be lost or duplicated, and searches must be
correct.

python benchmarks/bench_kill_sync.py [--kills 30] [--files 240] [--data FOLDER]

Each round changes a folder (new, changed, deleted and returning files), makes its schedule due, starts the real service, which
catches up, and kills the process at a random moment. The next start resumes the run; during it, tiles without a file, lost
labels, missing images and searches that do not find an unchanged file first are counted. After the run, tiles, marks, images
and the files of the folder must agree.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._imagery import DATA
from benchmarks._killing import State, has_ended, sample_files, show_progress
from benchmarks._table import machine_line, print_table

COLLECTION = "synced"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
STEADY = 20
FAULTS = (
    "tiles lost",
    "tiles twice",
    "tiles of no file",
    "labels lost",
    "images missing",
    "wrong searches",
    "wrong at the end of a run",
    "images left over",
)


def main() -> None:
    """Kill, restart, compare; one row a kind of fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--files", type=int, default=240)
    parser.add_argument("--on-vanished", choices=("keep", "remove"), default="remove")
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        killing = Killing(Path(folder), sample_files(options.data, options.files), options.on_vanished)
        outcome = killing.run(options.kills)
    print(machine_line())
    title = f"kill -9 during a scheduled sync (missing files: {options.on_vanished})"
    print_table(title, ["check", "count"], [[name, str(value)] for name, value in outcome.items()])
    if any(outcome[fault] for fault in FAULTS):
        raise SystemExit(1)


class Folder:
    """The source: files come, change, go and come back; the first `STEADY` never do."""

    def __init__(self, path: Path, pool: list[Path]) -> None:
        self.path = path
        self.random = random.Random(1)
        self.pool = pool
        path.mkdir()
        self.there: dict[str, Path] = {}
        for original in pool[: len(pool) // 2]:
            self._put(original.name, original)
        self.steady = list(self.there)[:STEADY]

    def _put(self, name: str, content: Path) -> None:
        part = self.path.parent / "part"
        shutil.copyfile(content, part)
        part.replace(self.path / name)
        self.there[name] = content

    def change(self) -> None:
        """One round's changes; never so many files go that the source is not believed any more."""
        movable = [name for name in self.there if name not in self.steady]
        for name in self.random.sample(movable, len(movable) // 4):
            (self.path / name).unlink()
            del self.there[name]
        for name in self.random.sample([name for name in movable if name in self.there], len(movable) // 4):
            self._put(name, self.random.choice(self.pool))
        away = [original for original in self.pool if original.name not in self.there]
        for original in self.random.sample(away, min(len(away), len(movable) // 4)):
            self._put(original.name, original)


class Killing:
    """One state folder through all kills."""

    def __init__(self, folder: Path, pool: list[Path], on_vanished: str) -> None:
        self.source = Folder(folder / "source", pool)
        self.state = State(folder / "home", COLLECTION, DYAD_READ_ROOTS=str(self.source.path))
        self.on_vanished = on_vanished
        self.random = random.Random(2)
        self.labelled: dict[str, str] = {}
        self.counts = dict.fromkeys(("kills", "killed while syncing", *FAULTS), 0)

    def run(self, kills: int) -> dict[str, int | str]:
        """All rounds; the counts."""
        with self.state.serve() as service:
            self.begin(service.client)
        before = set(self.source.there)
        for number in range(kills):
            self.source.change()
            self.make_due(number)
            with self.state.serve() as service:
                time.sleep(self.random.uniform(0.0, 1.5))
                job = self.last_job(service.client)
                service.kill()
            self.counts["kills"] += 1
            self.counts["killed while syncing"] += self.state.status(job) in ("running", "accepted")
            self.go_on(job, before)
            before = set(self.source.there)
            show_progress(number + 1, kills)
        return {**self.counts, "slowest restart, seconds": self.state.slowest_restart}

    def begin(self, client: httpx.Client) -> None:
        """The collection, its schedule, the first sync, and labels that people gave."""
        client.post("/collections", json={"id": COLLECTION, "model": "hog"}).raise_for_status()
        settings = {"cron": "* * * * *", "sources": [str(self.source.path)], "on_vanished": self.on_vanished, "paused": True}
        client.put(f"/collections/{COLLECTION}/schedule", json=settings).raise_for_status()
        job = client.post(f"/collections/{COLLECTION}/schedule/run").raise_for_status().json()["id"]
        wait(client, job)
        for item in self.state.items(client):
            if item["properties"]["file_name"] in self.source.steady:
                label = f"label {len(self.labelled)}"
                client.patch(f"/collections/{COLLECTION}/items/{item['id']}", json={"labels": [label]}).raise_for_status()
                self.labelled[item["id"]] = label
        client.put(f"/collections/{COLLECTION}/schedule", json={**settings, "paused": False}).raise_for_status()

    def make_due(self, number: int) -> None:
        """Write that the last run was long ago, at another minute each round: the next start catches up."""
        schedule = json.loads((self.state.home / "blobs" / "schedules" / f"{COLLECTION}.json").read_text())
        since = (LONG_AGO + timedelta(minutes=number)).isoformat()
        state = {"revision": schedule["updated"], "since": since}
        (self.state.home / "blobs" / "schedule-states" / f"{COLLECTION}.json").write_text(json.dumps(state))

    def last_job(self, client: httpx.Client) -> str:
        """The run that the service has submitted by itself."""
        while True:
            job = client.get(f"/collections/{COLLECTION}/schedule").raise_for_status().json()["last_job"]
            if job is not None:
                return str(job)
            time.sleep(0.01)

    def go_on(self, job: str, before: set[str]) -> None:
        """Look at what the next start serves while it resumes the run, and after the run."""
        with self.state.serve() as service:
            client = service.client
            while not has_ended(client, job):
                self.look(client, before)
            self.look(client, before)
            self.compare(client)

    def look(self, client: httpx.Client, before: set[str]) -> None:
        """What must hold at any moment of a sync."""
        items = self.state.items(client)
        names = [item["properties"]["file_name"] for item in items]
        present = set(self.source.there)
        known = before | present if self.on_vanished == "remove" else {path.name for path in self.source.pool}
        self.counts["tiles twice"] += len(names) - len(set(names))
        self.counts["tiles lost"] += len((before & present) - set(names))
        self.counts["tiles of no file"] += len(set(names) - known)
        labels = {item["id"]: item["properties"]["labels"] for item in items}
        self.counts["labels lost"] += sum(labels.get(item) != [label] for item, label in self.labelled.items())
        query = self.source.path / self.random.choice(self.source.steady)
        hit = self.state.best_hit(client, query)
        is_right = hit["properties"]["score"] > 0.9999 and self.state.image(client, hit["id"]) == query.read_bytes()
        self.counts["wrong searches"] += not is_right
        probe = self.random.choice(items)["id"]
        if self.state.image(client, probe) is None:
            self.counts["images missing"] += client.get(f"/collections/{COLLECTION}/items/{probe}").status_code != 404

    def compare(self, client: httpx.Client) -> None:
        """What must hold when a run has ended: tiles, marks and images are those of the folder."""
        items = {item["properties"]["file_name"]: item for item in self.state.items(client)}
        marked = {name for name, item in items.items() if "vanished_at" in item["properties"]}
        self.counts["wrong at the end of a run"] += len((items.keys() - marked) ^ self.source.there.keys())
        contents = {name: self.state.image(client, items[name]["id"]) for name in self.source.there if name in items}
        wrong = [name for name, content in contents.items() if content != (self.source.path / name).read_bytes()]
        self.counts["wrong at the end of a run"] += len(wrong)
        kept = [path.name[:36] for path in (self.state.home / "blobs" / "collections" / COLLECTION).rglob("*.*")]
        stored = {item["id"] for item in items.values()}
        self.counts["images left over"] += len(set(kept) - stored)


def wait(client: httpx.Client, job: str) -> None:
    """Until a job has ended."""
    while not has_ended(client, job):
        time.sleep(0.05)


if __name__ == "__main__":
    main()
