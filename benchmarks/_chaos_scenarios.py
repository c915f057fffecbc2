"""Scenarios in which a store is shared, missing or damaged: what is not damaged is served, and nothing is deleted.

Each scenario works on a copy of one state folder with the collections `first` (damaged) and `second` (the other one).
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx

from benchmarks._chaos_damage import DAMAGES, FIRST, OPTIONAL, SEGMENTS, STATE_FILES, Damage
from benchmarks._serving import NotStarted, Served, launch
from tests.support.cluster import items_of
from tests.support.pictures import striped
from tests.support.process import ROOT
from tests.support.qdrant import QdrantProcess

SECOND = "second"
TILES = 6
DOCTOR_SECONDS = 120
READABLE = {"DYAD_READ_ROOTS": str(ROOT / "docs")}
"""A folder that the schedule of `first` names; the schedule is paused."""
Scenario = Callable[[list[str]], None]
"""Appends faults to a list."""
Tiles = dict[str, tuple[str, ...]]
"""Labels of the tiles of a collection, by identifier."""


@dataclass
class Verdict:
    """faults: what was wrong; none if the scenario passed."""

    scenario: str
    faults: list[str] = field(default_factory=list)


def run_scenarios(seed: int, wanted: str = "") -> list[Verdict]:
    """All scenarios whose name contains `wanted`, with their verdicts."""
    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench(Path(folder), seed)
        for name, scenario in bench.scenarios().items():
            if wanted not in name:
                continue
            verdict = Verdict(name)
            try:
                scenario(verdict.faults)
            except (NotStarted, httpx.HTTPError, subprocess.TimeoutExpired) as error:
                verdict.faults.append(f"{type(error).__name__}: {_last_line(str(error))}")
            sys.stderr.write(f"{name}: {'; '.join(verdict.faults) or 'ok'}\n")
            verdicts.append(verdict)
    return verdicts


class _Bench:
    """A template of a state folder, and what it holds."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.template, self.log = folder / "template", folder / "log"
        with Served(self.template, self.log, **READABLE) as service:
            self.expected = _fill(service.client)

    def scenarios(self) -> dict[str, Scenario]:
        """All scenarios by name."""
        found: dict[str, Scenario] = {
            "two homes on one Qdrant prefix": self._two_homes_on_one_prefix,
            "two homes on one blob store": self._two_homes_on_one_blob_store,
            "unmounted blob store: empty folder": partial(self._unmounted, is_empty=True),
            "unmounted blob store: no folder": partial(self._unmounted, is_empty=False),
            "segments: missing": partial(self._damaged, pattern=SEGMENTS, damage=None),
        }
        for what, pattern in STATE_FILES.items():
            for damage in DAMAGES:
                found[f"{what}: {damage.__name__}"] = partial(self._damaged, pattern=pattern, damage=damage)
            if what not in OPTIONAL:
                found[f"{what}: missing"] = partial(self._damaged, pattern=pattern, damage=None)
        return found

    def _two_homes_on_one_prefix(self, faults: list[str]) -> None:
        with QdrantProcess(self.folder / "qdrant") as server:
            self._two_homes(faults, DYAD_VECTORS_URL=server.url)

    def _two_homes_on_one_blob_store(self, faults: list[str]) -> None:
        shared = self.folder / "shared-blobs"
        shared.mkdir()
        self._two_homes(faults, DYAD_BLOBS_URL=f"file://{shared}")

    def _two_homes(self, faults: list[str], **env: str) -> None:
        """The second home is refused while the first one runs and after it has stopped; the first one loses nothing."""
        first = self.folder / next(iter(env)).lower()
        with Served(first, self.log, **READABLE, **env) as service:
            expected = _fill(service.client)
            self._expect_refusal(faults, "while the first runs", first.with_suffix(".second"), **env)
        self._expect_refusal(faults, "after the first stopped", first.with_suffix(".third"), **env)
        with Served(first, self.log, **READABLE, **env) as service:
            _compare(faults, service.client, expected)

    def _unmounted(self, faults: list[str], *, is_empty: bool) -> None:
        """The start is refused, vectors stay, and everything is served after the store is mounted again."""
        name = f"unmounted-{is_empty}"
        home, store, away = (self.folder / f"{name}{suffix}" for suffix in ("", "-store", "-away"))
        store.mkdir()
        env = {"DYAD_BLOBS_URL": f"file://{store}"}
        with Served(home, self.log, **READABLE, **env) as service:
            expected = _fill(service.client)
        before = _files(home / "vectors")
        store.rename(away)
        if is_empty:
            store.mkdir()
        self._expect_refusal(faults, "without its store", home, **env)
        if lost := before - _files(home / "vectors"):
            faults.append(f"{len(lost)} files of vectors deleted")
        shutil.rmtree(store, ignore_errors=True)
        away.rename(store)
        with Served(home, self.log, **READABLE, **env) as service:
            _compare(faults, service.client, expected)

    def _expect_refusal(self, faults: list[str], when: str, home: Path, **env: str) -> None:
        try:
            with Served(home, self.log, **READABLE, **env):
                faults.append(f"started {when}")
        except NotStarted as error:
            _check_message(faults, str(error))

    def _damaged(self, faults: list[str], *, pattern: str, damage: Damage | None) -> None:
        """One file (or folder) is damaged, or missing if `damage` is None; afterwards the original is put back.

        `second` is served in full. `first` is served in full, or the fault is reported by `/readyz` and `dyad doctor`. The
        start may be refused, with the path of the file, only if the file belongs to no single collection.
        """
        home, original = self.folder / "damaged", self.folder / "original"
        for path in (home, original):
            subprocess.run(["rm", "-rf", str(path)], check=True)
        _copy(self.template, home)
        path = next(iter(sorted(home.glob(pattern))))
        _copy(path, original)
        if damage is None:
            subprocess.run(["rm", "-rf", str(path)], check=True)
        else:
            path.write_bytes(damage(path.read_bytes(), random.Random(self.seed)))
        if not self._has_effect(faults, home, path):
            return
        if not self._is_named_by_doctor(home, path):
            faults.append("`dyad doctor` does not report it")
        subprocess.run(["rm", "-rf", str(path)], check=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        _copy(original, path)
        before = len(faults)
        with Served(home, self.log, **READABLE) as service:
            _compare(faults, service.client, self.expected)
        faults[before:] = [f"after it was put back: {fault}" for fault in faults[before:]]

    def _has_effect(self, faults: list[str], home: Path, path: Path) -> bool:
        """Whether the damage has an effect that must be reported: a refused start, or `first` not served in full."""
        try:
            service = Served(home, self.log, **READABLE)
        except NotStarted as error:
            if FIRST in str(path.relative_to(home)):
                faults.append("the start is refused, so the other collection is not served")
            _check_message(faults, str(error), str(path))
            return True
        with service:
            client = service.client
            _compare(faults, client, {SECOND: self.expected[SECOND]})
            damage: list[str] = []
            _compare(damage, client, {FIRST: self.expected[FIRST]})
            answer = client.get(f"/collections/{FIRST}/items")
            if answer.status_code >= 500 and answer.status_code != 503:
                faults.append(f"{FIRST} answers {answer.status_code}")
            ready = client.get("/readyz")
            if damage and ready.status_code == 200 and not (FIRST in ready.text or path.name in ready.text):
                faults.append(f"/readyz says ok ({'; '.join(damage)})")
            if "Traceback" in service.output:
                faults.append("traceback in the log")
            if service.process.poll() is not None:
                faults.append(f"the process ended with {service.process.returncode}")
        return bool(damage)

    def _is_named_by_doctor(self, home: Path, path: Path) -> bool:
        log = self.folder / "doctor"
        log.unlink(missing_ok=True)
        code = launch(home, log, "doctor").wait(DOCTOR_SECONDS)
        text = log.read_text(errors="replace")
        return code == 1 and (path.name in text or FIRST in text) and "Traceback" not in text


def _fill(client: httpx.Client) -> dict[str, Tiles]:
    """Create both collections with labelled tiles, and the schedule of the first; return what they hold."""
    for name in (FIRST, SECOND):
        client.post("/collections", json={"id": name, "model": "hog", "tile_size": 64}).raise_for_status()
        files = [("files", (f"{number}.png", striped(number * 25, seed=number, size=64))) for number in range(TILES)]
        job = client.post(f"/collections/{name}/items", files=files).raise_for_status().json()["id"]
        _wait(client, job)
        for number, item in enumerate(items_of(client, name)):
            body = {"labels": [f"label {number}"]}
            client.patch(f"/collections/{name}/items/{item['id']}", json=body).raise_for_status()
    schedule = {"cron": "0 0 1 1 *", "sources": [str(ROOT / "docs")], "paused": True}
    client.put(f"/collections/{FIRST}/schedule", json=schedule).raise_for_status()
    return {name: _tiles(client, name) for name in (FIRST, SECOND)}


def _wait(client: httpx.Client, job: str) -> None:
    """Until a job has ended; it follows the events, which end with the job."""
    with client.stream("GET", f"/jobs/{job}/events") as events:
        events.read()


def _tiles(client: httpx.Client, collection: str) -> Tiles:
    return {item["id"]: tuple(item["properties"]["labels"]) for item in items_of(client, collection)}


def _compare(faults: list[str], client: httpx.Client, expected: dict[str, Tiles]) -> None:
    """Note collections that do not hold the expected tiles and labels, or whose search does not find a tile."""
    if (status := client.get("/collections").status_code) != 200:
        faults.append(f"GET /collections answers {status}")
    for name, tiles in expected.items():
        try:
            found = _tiles(client, name)
        except httpx.HTTPStatusError as error:
            faults.append(f"{name}: items answer {error.response.status_code}")
            continue
        if found != tiles:
            lost = len(tiles.keys() - found.keys())
            wrong = sum(found[item] != tiles[item] for item in tiles.keys() & found.keys())
            faults.append(f"{name}: {lost} of {len(tiles)} tiles and the labels of {wrong} lost")
            continue
        item = next(iter(tiles))
        image = client.get(f"/collections/{name}/items/{item}/image")
        answer = client.post(f"/collections/{name}/search", files={"image": image.content})
        hits = answer.json().get("features", []) if answer.status_code == 200 else []
        if not any(hit["id"] == item and hit["properties"]["score"] > 0.999 for hit in hits):
            faults.append(f"{name}: search with a tile's image answers {answer.status_code} without the tile")


def _check_message(faults: list[str], message: str, path: str = "") -> None:
    """A refusal is an explanation that names the file, not a traceback."""
    if "Traceback" in message or "no message" in message:
        faults.append(f"refused without an explanation: {_last_line(message)}")
    elif path and path not in message and Path(path).name not in message:
        faults.append(f"refused without the path: {_last_line(message)}")


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2][:120]


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def _copy(source: Path, target: Path) -> None:
    """Copy a file or folder; the files of an index are sparse and stay so."""
    subprocess.run(["cp", "-r", "--sparse=always", str(source), str(target)], check=True)
