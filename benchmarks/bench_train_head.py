"""Training a head through HTTP: time from the POST to the switched index, and the latency of searches during it.

python benchmarks/bench_train_head.py [--tiles 10000 100000] [--labels 20] [--data ../shared/data]

The tiles are those of UC Merced, embedded by the model that ships, each many times over with a little noise on them; some
of each class have labels. The service runs in a process of its own. One client asks for the neighbours of a tile, so often a
second, first while nothing else happens, then from the POST until the re-index has ended; another asks how far the jobs are.
Seconds of the processor are those of the service and its child processes together, searches included.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.container import Container
from app.domain.naming.ids import tile_id
from app.domain.tiles import Embeddings, Tile
from app.imagery.tiling.tiler import read_query
from app.services.catalogue.tile_settings import cut_spec
from app.settings import load_settings
from benchmarks._imagery import DATA, images_of
from benchmarks._table import machine_line, print_table
from tests.support.process import ServeProcess

COLLECTION = "archive"
BATCH = 100
NOISE = 0.05
"""Of the vectors' own spread."""
RESTING_SECONDS = 15.0
POLL_SECONDS = 0.1
SHORTEST = 0.5
"""Seconds of a phase that is worth a line."""
TARGET_SECONDS, TARGET_RATIO = 60.0, 3.0


def main() -> None:
    """Measure every size and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiles", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--rate", type=float, default=10.0, help="searches per second")
    parser.add_argument("--labels", type=int, default=20, help="labelled tiles per class")
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    paths = images_of(options.data)
    rows: list[Sequence[str]] = []
    for size in options.tiles:
        with tempfile.TemporaryDirectory() as folder:
            rows += measure(Path(folder), paths, size, options)
    print(machine_line())
    columns = ["tiles", "phase", "seconds", "processor", "searches", "p50 ms", "p99 ms", "p99 to resting"]
    print_table(f"Training a head: at most {TARGET_SECONDS:g} s, p99 at most {TARGET_RATIO:g} times resting", columns, rows)


@dataclass(slots=True)
class Searches:
    """Start and milliseconds of each search of one client."""

    url: str
    ids: Sequence[str]
    rate: float
    stopping: threading.Event = field(default_factory=threading.Event)
    times: list[tuple[float, float]] = field(default_factory=list)

    def run(self) -> None:
        """Search until told to stop."""
        random = np.random.default_rng(1)
        with httpx.Client(base_url=self.url, timeout=60) as client:
            while not self.stopping.is_set():
                item = self.ids[int(random.integers(len(self.ids)))]
                start = time.perf_counter()
                client.get(f"/collections/{COLLECTION}/search", params={"item": item, "limit": 10}).raise_for_status()
                spent = time.perf_counter() - start
                self.times.append((start, spent * 1000))
                self.stopping.wait(max(0.0, 1 / self.rate - spent))

    def between(self, start: float, end: float) -> list[float]:
        """Milliseconds of the searches that began then."""
        return [milliseconds for began, milliseconds in self.times if start <= began < end]


class Mark(NamedTuple):
    """A moment, the processor's seconds up to it, and what is done from then on."""

    moment: float
    cpu: float
    name: str


def measure(home: Path, paths: Sequence[Path], size: int, options: argparse.Namespace) -> list[Sequence[str]]:
    """The rows of one size."""
    ids = fill(home, paths, size, options.labels)
    with ServeProcess(home) as service:
        searches = Searches(service.url, ids, options.rate)
        client = threading.Thread(target=searches.run)
        client.start()
        time.sleep(2)
        pid = service.process.pid
        marks = [Mark(time.perf_counter(), cpu_seconds(pid), "resting")]
        time.sleep(RESTING_SECONDS)
        body = {"inputs": {"collection": COLLECTION}}
        train = service.client.post("/processes/train/execution", json=body).raise_for_status().json()["id"]
        marks += follow(service.client, train, pid, "")
        reindex = service.client.get(f"/jobs/{train}/results").raise_for_status().json()["reindex_job"]
        marks += follow(service.client, reindex, pid, "re-index: ")
        marks.append(Mark(time.perf_counter(), cpu_seconds(pid), "end"))
        searches.stopping.set()
        client.join()
        if not service.client.get(f"/jobs/{reindex}/results").json()["switched"]:
            raise SystemExit("the index was not switched")
    calm = float(np.percentile(searches.between(marks[0].moment, marks[1].moment), 99))
    spans = [pair for pair in itertools.pairwise(marks) if pair[1].moment - pair[0].moment > SHORTEST]
    spans.append((marks[1]._replace(name="from POST to switch"), marks[-1]))
    return [row(size, start, end, searches, calm) for start, end in spans]


def row(size: int, start: Mark, end: Mark, searches: Searches, calm: float) -> Sequence[str]:
    """One line of the table."""
    times = searches.between(start.moment, end.moment)
    spent = [f"{size:,}", start.name, f"{end.moment - start.moment:.1f}", f"{end.cpu - start.cpu:.1f}", str(len(times))]
    if not times:
        return [*spent, "", "", ""]
    p50, p99 = np.percentile(times, (50, 99))
    return [*spent, f"{p50:.1f}", f"{p99:.1f}", f"{p99 / calm:.1f}"]


def follow(client: httpx.Client, job: str, pid: int, prefix: str) -> list[Mark]:
    """Wait for a job; when it began to say what, numbers left out."""
    marks: list[Mark] = []
    while True:
        document: dict[str, Any] = client.get(f"/jobs/{job}").raise_for_status().json()
        words = (word for word in document["message"].split(":")[0].split() if not word.isdigit())
        name = prefix + (" ".join(words) or "beginning")
        if not marks or marks[-1].name != name:
            marks.append(Mark(time.perf_counter(), cpu_seconds(pid), name))
        if document["status"] in ("failed", "dismissed"):
            raise SystemExit(f"job {job} {document['status']}: {document['message']}")
        if document["status"] == "successful":
            return marks
        time.sleep(POLL_SECONDS)


def cpu_seconds(pid: int) -> float:
    """What a process, its living children and those that have ended took of the processor (Linux)."""
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(stat.parent.name) == pid:
            total += sum(map(int, fields[11:15]))
        elif int(fields[1]) == pid:
            total += sum(map(int, fields[11:13]))
    return total / os.sysconf("SC_CLK_TCK")


def fill(home: Path, paths: Sequence[Path], size: int, labels: int) -> list[str]:
    """A collection of `size` tiles made of some images; their ids."""
    container = Container(load_settings({}, home=home))
    container.collections.create(COLLECTION)
    live = container.collections.live(COLLECTION)
    model = container.models.load(live.model)
    spec = cut_spec(container.collections.get(COLLECTION), model.card, 10_000_000)
    seen = [model.embed(np.stack([read_query(path, spec) for path in paths[at : at + 32]])) for at in range(0, len(paths), 32)]
    known = [np.concatenate([getattr(part, name) for part in seen]) for name in ("embedding", "feature", "pair")]
    for number, path in enumerate(paths):
        container.blobs.put(image_key(number), path)
    random = np.random.default_rng(0)
    ids = [tile_id(COLLECTION, f"{number}.jpg", "") for number in range(size)]
    for start in range(0, size, BATCH):
        numbers = np.arange(start, min(start + BATCH, size))
        rows = numbers % len(paths)
        vectors = noisy(random, known[0][rows], known[1][rows], known[2][rows])
        tiles = [
            make_tile(ids[number], number, paths[row], image_key(row), labels)
            for number, row in zip(numbers.tolist(), rows.tolist(), strict=True)
        ]
        container.vectors.upsert(live.index, tiles, vectors)
    container.vectors.flush(live.index)
    container.close()
    return ids


def noisy(random: np.random.Generator, embedding: Any, feature: Any, pair: Any) -> Embeddings:
    """The vectors with noise, the embedding of length 1 again."""
    moved = embedding + NOISE * embedding.std() * random.normal(size=embedding.shape)
    moved = (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
    deep = feature.astype(np.float32) * (1 + NOISE * random.normal(size=feature.shape))
    return Embeddings(moved, deep.astype(np.float16), pair)


def make_tile(item: str, number: int, path: Path, image: str, labels: int) -> Tile:
    """The record of the tile `number`; the first of each class, a hundred images long, have its label."""
    is_labelled = number < 2100 and number % 100 < labels
    return Tile(
        id=item,
        source=f"{number}.jpg",
        file_name=path.name,
        content_hash=f"{number:064x}",
        image=image,
        indexed_at=datetime(2024, 1, 1, tzinfo=UTC),
        labels=(path.parent.name,) if is_labelled else (),
    )


def image_key(number: int) -> str:
    """Where the image of that number is stored."""
    return f"collections/{COLLECTION}/{number:05d}.jpg"


if __name__ == "__main__":
    main()
