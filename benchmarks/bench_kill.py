"""kill -9 of the service at random times during an ingest: every tile that a job reported must exist afterwards, exactly once.

python benchmarks/bench_kill.py [--kills 30] [--files 400] [--data FOLDER]

Each round starts the real service on one and the same state folder, uploads a zip, kills the process at a random moment,
starts it again and compares: the ids that the job had reported before the kill, the tiles of the collection, the images on
the disk. Then the job resumes; in the end every file must be indexed exactly once and a search must find the query first.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._imagery import DATA
from benchmarks._killing import State, has_ended, sample_files, show_progress
from benchmarks._table import machine_line, print_table

COLLECTION = "killed"


def main() -> None:
    """Kill, restart, compare; one row a kind of moment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = Killing(Path(folder), sample_files(options.data, options.files)).run(options.kills)
    print(machine_line())
    print_table("kill -9 during ingest", ["check", "count"], [[name, str(value)] for name, value in outcome.items()])
    if outcome["reported tiles lost"] or outcome["tiles twice"] or outcome["files missing at the end"]:
        raise SystemExit(1)


class Killing:
    """One state folder through all kills."""

    def __init__(self, folder: Path, files: list[Path]) -> None:
        self.state = State(folder / "home", COLLECTION)
        self.archive = folder / "tiles.zip"
        self.files = files
        self.random = random.Random(1)
        with zipfile.ZipFile(self.archive, "w") as archive:
            for path in files:
                archive.write(path, path.name)
        self.counts = dict.fromkeys(
            [
                "kills",
                "killed while ingesting",
                "reported tiles",
                "reported tiles lost",
                "tiles twice",
                "files missing at the end",
            ],
            0,
        )

    def run(self, kills: int) -> dict[str, int | str]:
        """All rounds; the counts."""
        job = ""
        for number in range(kills):
            with self.state.serve() as service:
                if number == 0 or has_ended(service.client, job):
                    job = self.upload(service.client, number)
                time.sleep(self.random.uniform(0.05, 1.5))
                self.counts["killed while ingesting"] += not has_ended(service.client, job)
                service.kill()
            self.counts["kills"] += 1
            self.check(job)
            show_progress(number + 1, kills)
        self.finish(job)
        return {**self.counts, "slowest restart, seconds": self.state.slowest_restart}

    def upload(self, client: httpx.Client, number: int) -> str:
        """A new collection's worth of work: the same files under the name of another archive."""
        if number == 0:
            client.post("/collections", json={"id": COLLECTION, "model": "hog"}).raise_for_status()
        with self.archive.open("rb") as file:
            answer = client.post(f"/collections/{COLLECTION}/items", files={"files": (f"round{number}.zip", file)})
        answer.raise_for_status()
        job: str = answer.json()["id"]
        return job

    def check(self, job: str) -> None:
        """After a kill: what the job had reported, read from its table, must be served by the next start."""
        reported = self.state.reported(job)
        with self.state.serve() as service:
            there = [item["id"] for item in self.state.items(service.client)]
            service.kill()
        self.counts["reported tiles"] = max(self.counts["reported tiles"], len(reported))
        self.counts["reported tiles lost"] += len(set(reported) - set(there))
        self.counts["tiles twice"] += len(there) - len(set(there))

    def finish(self, job: str) -> None:
        """Let the last job end, then look for every file and search."""
        with self.state.serve() as service:
            while not has_ended(service.client, job):
                time.sleep(0.1)
            archive = service.client.get(f"/jobs/{job}/results").raise_for_status().json()
            self.counts["files missing at the end"] = len(self.files) - len(set(archive["item_ids"]))
            first = self.state.best_hit(service.client, self.files[0])["properties"]
            if first["file_name"] != self.files[0].name or first["score"] < 0.9999:
                raise SystemExit(f"the search after the kills found {first}")


if __name__ == "__main__":
    main()
