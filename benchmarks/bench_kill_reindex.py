"""kill -9 of the service at random times during a re-index: the current index must answer correctly, and nothing may be lost.

python benchmarks/bench_kill_reindex.py [--kills 30] [--files 300] [--longest 4] [--data FOLDER]

Each round starts the real service on one and the same state folder, re-indexes a collection alternately with two models,
and at the same time searches, labels and deletes tiles, one request after another. The process is killed at a random time.
After the next start every tile must exist once, with every acknowledged label and without deleted tiles; every answer must be
the whole ranking of a new collection with the answering model. In the end the last re-index finishes, and no other indexes and
images are left.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._imagery import DATA
from benchmarks._killing import State, has_ended, sample_files, show_progress
from benchmarks._table import machine_line, print_table

COLLECTION = "killed"
MODELS = ("hog", "lbp-rgb")
QUERIES = 5
DELETE_EVERY = 40
KEPT = 3
Ranking = list[tuple[float, str]]
"""Rounded scores and file names, the best first, equal scores by name."""


def main() -> None:
    """Kill, restart, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--longest", type=float, default=4.0, help="maximum seconds of work before a kill")
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = Killing(Path(folder) / "home", sample_files(options.data, options.files)).run(options.kills, options.longest)
    print(machine_line())
    print_table("kill -9 during a re-index", ["check", "count"], [[name, str(value)] for name, value in outcome.items()])
    if any(outcome[name] for name in WRONG):
        raise SystemExit(1)


DONE = ("kills", "killed while re-indexing", "re-indexes that ended", "searches", "labels written", "tiles deleted")
WRONG = ("wrong answers", "tiles lost", "tiles twice", "deleted tiles back", "labels lost", "left behind")


class Killing:
    """One collection through all kills, and what it must hold by now."""

    def __init__(self, home: Path, files: list[Path]) -> None:
        self.state = State(home, COLLECTION)
        self.files = files
        self.random = random.Random(1)
        self.counts = dict.fromkeys((*DONE, *WRONG), 0)
        self.labels: dict[str, set[str]] = {}
        self.names: dict[str, str] = {}
        self.unsure: str | None = None
        self.rankings: dict[tuple[str, Path], Ranking] = {}
        self.job = ""

    def run(self, kills: int, longest: float) -> dict[str, Any]:
        """All rounds; the counts. longest: seconds of work before a kill, at most."""
        with self.state.serve() as service:
            self.prepare(service.client)
        for number in range(kills):
            with self.state.serve() as service:
                self.check(service.client)
                self.work(service.client, time.monotonic() + self.random.uniform(0.05, longest))
                self.counts["killed while re-indexing"] += not has_ended(service.client, self.job)
                service.kill()
            self.counts["kills"] += 1
            show_progress(number + 1, kills)
        with self.state.serve() as service:
            self.finish(service.client)
        return {**self.counts, "slowest restart, seconds": self.state.slowest_restart}

    def prepare(self, client: httpx.Client) -> None:
        """The collection, and one for each model whose rankings are the truth."""
        for name, model in ((COLLECTION, MODELS[0]), *((f"truth-{model}", model) for model in MODELS)):
            client.post("/collections", json={"id": name, "model": model}).raise_for_status()
            parts = [("files", (path.name, path.read_bytes())) for path in self.files]
            job = client.post(f"/collections/{name}/items", files=parts).raise_for_status().json()["id"]
            wait(client, job)
        for model in MODELS:
            for query in self.files[:QUERIES]:
                self.rankings[model, query] = self.search(client, f"truth-{model}", query)[0]
        for item in self.state.items(client):
            self.labels[item["id"]], self.names[item["id"]] = {""}, item["properties"]["file_name"]

    def work(self, client: httpx.Client, until: float) -> None:
        """Re-index, and search and write at the same time."""
        if not self.job or has_ended(client, self.job):
            self.job = self.submit(client)
        while time.monotonic() < until:
            self.compare(client)
            item = self.random.choice(sorted(self.labels))
            self.unsure = item
            if self.random.randrange(DELETE_EVERY):
                label = f"label {self.random.randrange(10**6)}"
                self.labels[item].add(label)
                client.patch(f"/collections/{COLLECTION}/items/{item}", json={"labels": [label]}).raise_for_status()
                self.labels[item] = {label}
                self.counts["labels written"] += 1
            else:
                client.delete(f"/collections/{COLLECTION}/items/{item}").raise_for_status()
                del self.labels[item], self.names[item]
                self.counts["tiles deleted"] += 1
            self.unsure = None

    def submit(self, client: httpx.Client) -> str:
        """Begin a re-index with the model that is not live."""
        self.counts["re-indexes that ended"] += bool(self.job)
        live = client.get(f"/collections/{COLLECTION}").raise_for_status().json()["index"]["model"]
        inputs = {"collection": COLLECTION, "model": MODELS[1 - MODELS.index(live)], "force": True}
        job: str = client.post("/processes/reindex/execution", json={"inputs": inputs}).raise_for_status().json()["id"]
        return job

    def compare(self, client: httpx.Client) -> None:
        """One search: its whole ranking must be that of the model which answered, without what is deleted."""
        query = self.random.choice(self.files[:QUERIES])
        found, model = self.search(client, COLLECTION, query)
        there = set(self.names.values())
        self.counts["searches"] += 1
        self.counts["wrong answers"] += found != [hit for hit in self.rankings[model, query] if hit[1] in there]

    def search(self, client: httpx.Client, collection: str, query: Path) -> tuple[Ranking, str]:
        """The ranking of all tiles, and the model that made it."""
        with query.open("rb") as file:
            form = {"query": '{"limit": 1000}'}
            sent = client.post(f"/collections/{collection}/search", files={"image": file}, data=form)
        answer = sent.raise_for_status().json()
        hits = [(each["properties"]["score"], each["properties"]["file_name"]) for each in answer["features"]]
        ranking = [(round(score, 4), name) for score, name in hits]
        return sorted(ranking, key=lambda hit: (-hit[0], hit[1])), str(answer["index_version"]).rpartition(".")[0]

    def check(self, client: httpx.Client) -> None:
        """After a kill: what was acknowledged is served."""
        items = self.state.items(client)
        found = {item["id"]: (item["properties"]["labels"] or [""])[0] for item in items}
        if self.unsure is not None and self.unsure not in found:  # the deletion in progress was done
            del self.labels[self.unsure], self.names[self.unsure]
        self.unsure = None
        self.counts["tiles twice"] += len(items) - len(found)
        self.counts["tiles lost"] += len(self.labels.keys() - found.keys())
        self.counts["deleted tiles back"] += len(found.keys() - self.labels.keys())
        for item in self.labels.keys() & found.keys():
            self.counts["labels lost"] += found[item] not in self.labels[item]
            self.labels[item] = {found[item]}
        self.compare(client)

    def finish(self, client: httpx.Client) -> None:
        """Let the last re-index end; then everything is there, and nothing else."""
        self.check(client)
        wait(client, self.job)
        self.counts["re-indexes that ended"] += 1
        self.check(client)
        indexes = client.get(f"/collections/{COLLECTION}/indexes").raise_for_status().json()["indexes"]
        folders = [path for path in (self.state.home / "vectors").iterdir() if path.name.startswith(f"{COLLECTION}.")]
        images = [path for path in (self.state.home / "blobs" / "collections" / COLLECTION).rglob("*") if path.is_file()]
        self.counts["left behind"] = abs(len(folders) - len(indexes)) + max(0, len(indexes) - KEPT)
        self.counts["left behind"] += len(images) - len(self.labels)


def wait(client: httpx.Client, job: str) -> None:
    """Until a job has ended."""
    while not has_ended(client, job):
        time.sleep(0.05)


if __name__ == "__main__":
    main()
