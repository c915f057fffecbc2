"""Kills of `dyad serve` and `dyad backup` at random moments of every kind of work, over one state folder."""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from benchmarks._chaos_ledger import Ledger, Target
from benchmarks._killing import State
from benchmarks._serving import NotStarted, Served, launch
from tests.support.pictures import striped

SIDE = 64
TILES, LEARNED, SYNCED = "tiles", "learned", "synced"
MODELS = ("hog", "lbp-rgb")
FILES = 40
"""Files of one ingest."""
STEADY = 10
"""Files of the synchronised folder that never change; only they are labelled, because labels belong to a picture."""
ACTIVE = ("accepted", "running")
END_SECONDS = 600.0
LONGEST = {"ingest": 1.5, "reindex": 3.0, "train": 6.0, "label": 1.0, "backup": 5.0, "sync": 1.5, "start": 5.0}
"""The longest time of work before a kill, in seconds."""
KINDS = tuple(LONGEST)


class Chaos:
    """One state folder through all kills. rows: counts by kind of work. ready: seconds to ready after kills, by kind."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.folder, self.home, self.log = folder, folder / "home", folder / "log"
        self.source = folder / "source"
        self.source.mkdir()
        self.state = State(self.home, TILES)
        self.ledger = Ledger()
        self.rows: dict[str, Counter[str]] = {}
        self.ready: dict[str, list[float]] = {}
        self.jobs: dict[str, str] = {}
        self.failed: set[str] = set()
        self.pictures: dict[str, bytes] = {}
        self.last_job = ""
        self.service = self._serve()

    def run(self, kinds: Sequence[str]) -> None:
        """Prepare, kill once for each element of `kinds`, let all jobs end, and compare after each step."""
        self._prepare()
        for number, kind in enumerate(kinds):
            row = self.rows.setdefault(kind, Counter())
            if self.random.random() < 0.5:
                self._settle()
            getattr(self, f"_kill_in_{kind}")(self.random.uniform(0.02, LONGEST[kind]), row)
            row["kills"] += 1
            self._note_reported()
            self._restart(kind, row)
            self._check(row)
            sys.stderr.write(f"\rkill {number + 1} of {len(kinds)}" + ("\n" if number + 1 == len(kinds) else ""))
        last = self.rows.setdefault("after the last job", Counter())
        self._settle()
        self._note_reported()
        last["lost tiles"] += self.ledger.missing_files(self._check(last))

    def close(self) -> None:
        """Stop the service."""
        self.service.__exit__()

    def _serve(self) -> Served:
        return Served(self.home, self.log, DYAD_READ_ROOTS=str(self.source))

    def _prepare(self) -> None:
        """The three collections, with labels to learn from, and the schedule of one."""
        client = self.service.client
        for name, model in ((TILES, "hog"), (SYNCED, "hog"), (LEARNED, "dyad-rgb-128")):
            body = {"id": name, "tile_size": SIDE, "model": model}
            client.post("/collections", json=body).raise_for_status()
        self._upload(client, TILES)
        classes = {f"class {number % 2} {number}.png": f"class {number % 2}" for number in range(24)}
        for number, name in enumerate(classes):
            self.pictures[name] = striped(number % 2 * 45 + number / 4, seed=number, size=SIDE)
        metadata = {name: {"labels": [label]} for name, label in classes.items()}
        self._send(client, LEARNED, {name: self.pictures[name] for name in classes}, metadata)
        self._change_source()
        schedule = {"cron": "0 0 1 1 *", "sources": [str(self.source)], "on_vanished": "keep"}
        client.put(f"/collections/{SYNCED}/schedule", json=schedule).raise_for_status()
        self._submit(SYNCED, f"/collections/{SYNCED}/schedule/run")
        self._settle()
        self._note_reported()
        for item in self._check(Counter())[LEARNED]:
            self.ledger.labels[LEARNED, item["id"]] = {tuple(item["properties"]["labels"])}

    def _kill_in_ingest(self, seconds: float, row: Counter[str]) -> None:
        self._upload(self.service.client, TILES)
        self._kill_among_labels(seconds, row)

    def _kill_in_reindex(self, seconds: float, row: Counter[str]) -> None:
        live = self.service.client.get(f"/collections/{TILES}").raise_for_status().json()["index"]["model"]
        inputs = {"collection": TILES, "model": MODELS[1 - MODELS.index(live)], "force": True}
        self._submit(TILES, "/processes/reindex/execution", inputs)
        self._kill_among_labels(seconds, row)

    def _kill_in_train(self, seconds: float, row: Counter[str]) -> None:
        self._submit(LEARNED, "/processes/train/execution", {"collection": LEARNED})
        self._kill_among_labels(seconds, row)

    def _kill_in_sync(self, seconds: float, row: Counter[str]) -> None:
        self._change_source()
        self._submit(SYNCED, f"/collections/{SYNCED}/schedule/run")
        self._kill_among_labels(seconds, row)

    def _kill_in_label(self, seconds: float, row: Counter[str]) -> None:
        self.last_job = ""
        self._kill_among_labels(seconds, row, threads=4)

    def _kill_in_backup(self, seconds: float, row: Counter[str]) -> None:
        """A backup needs a stopped service. If its file exists after the kill, it must be complete."""
        row["wrong"] += not self.service.stop()
        target = self.folder / "backup.zip"
        process = launch(self.home, self.log, "backup", str(target))
        row["hit"] += self._kill(process, seconds)
        if target.exists():
            restoring = launch(self.folder / "restored", self.log, "restore", str(target))
            row["wrong"] += restoring.wait(120) != 0
            subprocess.run(["rm", "-rf", str(self.folder / "restored")], check=True)
        target.unlink(missing_ok=True)

    def _kill_in_start(self, seconds: float, row: Counter[str]) -> None:
        self.service.kill()
        process = launch(self.home, self.log, "serve", "--port", "0", DYAD_READ_ROOTS=str(self.source))
        row["hit"] += self._kill(process, seconds)

    def _kill_among_labels(self, seconds: float, row: Counter[str], threads: int = 2) -> None:
        """Label tiles while the submitted job runs, then kill the service; a job that has ended was not hit."""
        with self.ledger.labelling(self.service.url, self._label_targets(), threads):
            time.sleep(seconds)
            self.service.kill()
        row["hit"] += not self.last_job or self.state.status(self.last_job) in ACTIVE

    def _kill(self, process: subprocess.Popen[bytes], seconds: float) -> bool:
        """Kill a command after some seconds; whether it was still running."""
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return True
        return False

    def _label_targets(self) -> list[Target]:
        return [target for target in sorted(self.ledger.labels) if target[0] != LEARNED]

    def _restart(self, kind: str, row: Counter[str]) -> None:
        """Start the service again; a second failure ends the benchmark."""
        try:
            self.service = self._serve()
        except NotStarted as error:
            row["failed restarts"] += 1
            sys.stderr.write(f"\n{kind}: the service did not start: {error}\n")
            self.service = self._serve()
        self.ready.setdefault(kind, []).append(self.service.ready_seconds)

    def _check(self, row: Counter[str]) -> dict[str, list[dict[str, Any]]]:
        """Compare all tiles and labels with the ledger, search with a known picture, and look at `/readyz` and the jobs."""
        client = self.service.client
        faults, served = self.ledger.compare(client)
        row.update(faults)
        row["wrong"] += client.get("/readyz").status_code != 200
        row["wrong"] += sum(not self._is_found(client, collection, items) for collection, items in served.items() if items)
        failed = {job["id"] for job in client.get("/jobs?status=failed&limit=1000").raise_for_status().json()["jobs"]}
        for job in failed - self.failed:
            sys.stderr.write(f"\nfailed: {client.get(f'/jobs/{job}').json()}\n")
        row["wrong"] += len(failed - self.failed)
        self.failed |= failed
        for collection in (TILES, SYNCED):
            for item in served.get(collection, []):
                if collection == TILES or item["properties"]["file_name"].startswith("steady"):
                    self.ledger.labels.setdefault((collection, item["id"]), {tuple(item["properties"]["labels"])})
        return served

    def _is_found(self, client: httpx.Client, collection: str, items: list[dict[str, Any]]) -> bool:
        """Whether the image of a tile is served and a search with it finds the tile."""
        item = self.random.choice(items)
        image = client.get(f"/collections/{collection}/items/{item['id']}/image")
        if image.status_code != 200:
            return False
        answer = client.post(f"/collections/{collection}/search", files={"image": image.content})
        hits = answer.json()["features"] if answer.status_code == 200 else []
        return any(hit["id"] == item["id"] and hit["properties"]["score"] > 0.999 for hit in hits)

    def _settle(self) -> None:
        """Wait until no job is active."""
        deadline = time.monotonic() + END_SECONDS
        address = "/jobs?" + "&".join(f"status={status}" for status in ACTIVE)
        while self.service.client.get(address).raise_for_status().json()["jobs"]:
            if time.monotonic() > deadline:
                raise SystemExit(f"jobs are still active after {END_SECONDS:.0f} s; see the state folder {self.home}")
            time.sleep(0.1)

    def _note_reported(self) -> None:
        """Add the tiles that jobs have reported so far to the ledger."""
        for job, collection in self.jobs.items():
            self.ledger.tiles[collection].update(self.state.reported(job))

    def _submit(self, collection: str, address: str, inputs: dict[str, Any] | None = None) -> None:
        """Submit a job; a conflict with an active one is no fault."""
        answer = self.service.client.post(address, json=None if inputs is None else {"inputs": inputs})
        if answer.status_code != 409:
            self.last_job = answer.raise_for_status().json()["id"]
            self.jobs[self.last_job] = collection

    def _upload(self, client: httpx.Client, collection: str) -> None:
        """Upload a zip of new pictures."""
        first = len(self.pictures)
        files = {f"{number}.png": self._picture(number) for number in range(first, first + FILES)}
        self.pictures.update(files)
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as target:
            for name, data in files.items():
                target.writestr(name, data)
        self._send(client, collection, {f"{first}.zip": archive.getvalue()}, {})
        self.ledger.files[collection].update(files)

    def _send(self, client: httpx.Client, collection: str, files: dict[str, bytes], metadata: dict[str, Any]) -> None:
        parts = [("files", (name, data)) for name, data in files.items()]
        answer = client.post(f"/collections/{collection}/items", files=parts, data={"metadata": json.dumps(metadata)})
        self.last_job = answer.raise_for_status().json()["id"]
        self.jobs[self.last_job] = collection

    def _picture(self, number: int) -> bytes:
        return striped(self.random.uniform(0, 180), period=self.random.uniform(8, 24), seed=number, size=SIDE)

    def _change_source(self) -> None:
        """Add, replace and delete files of the synchronised folder; the steady ones never change."""
        for number in range(STEADY):
            path = self.source / f"steady-{number}.png"
            if not path.exists():
                path.write_bytes(self._picture(number))
        for number in self.random.sample(range(40), 12):
            (self.source / f"moving-{number}.png").write_bytes(self._picture(1000 + number))
        for number in self.random.sample(range(40), 2):
            (self.source / f"moving-{number}.png").unlink(missing_ok=True)
