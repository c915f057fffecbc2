"""The `head` loop through HTTP: from the POST to the switched index, and how searches fare all the while.

python benchmarks/bench_train_head.py [--tiles 10000 100000] [--labels 20] [--data ../shared/data]

The tiles are those of UC Merced, embedded by the model that ships, each many times over with a little noise on them; some
of each class have labels. The service runs in a process of its own. One client asks for a tile's neighbours, one search after
another, first while nothing else happens, then from the POST until the re-index has ended; another asks how far the jobs are.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.container import Container
from app.domain.ids import tile_id
from app.domain.tiles import Embeddings, Tile
from app.imagery.tiling import read_query
from app.services.cutting import cut_spec
from app.settings import load_settings
from benchmarks._killing import DATA
from benchmarks._table import machine_line, print_table
from tests.support.process import ServeProcess

COLLECTION = "archive"
BATCH = 100
NOISE = 0.05
"""Of the vectors' own spread."""
RESTING_SECONDS = 15.0
POLL_SECONDS = 0.1
TARGET_SECONDS, TARGET_RATIO = 60.0, 3.0


def main() -> None:
    """Measure every size and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiles", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--labels", type=int, default=20, help="labelled tiles a class")
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    paths = sorted((options.data / "ucmerced").rglob("*.jpg"))
    if not paths:
        sys.exit(f"no images in {options.data / 'ucmerced'}; name the folder of the test data with --data or DYAD_DATA")
    rows: list[Sequence[str]] = []
    for size in options.tiles:
        with tempfile.TemporaryDirectory() as folder:
            rows += measure(Path(folder), paths, size, options.labels)
    print(machine_line())
    columns = ["tiles", "phase", "seconds", "searches", "p50 ms", "p99 ms", "p99 to resting"]
    print_table(f"Training a head: at most {TARGET_SECONDS:g} s, p99 at most {TARGET_RATIO:g} times resting", columns, rows)


@dataclass(slots=True)
class Searches:
    """Start and milliseconds of each search of one client."""

    url: str
    ids: Sequence[str]
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
                self.times.append((start, (time.perf_counter() - start) * 1000))

    def between(self, start: float, end: float) -> list[float]:
        """Milliseconds of the searches that began then."""
        return [milliseconds for began, milliseconds in self.times if start <= began < end]


def measure(home: Path, paths: Sequence[Path], size: int, labels: int) -> list[Sequence[str]]:
    """The rows of one size."""
    ids = fill(home, paths, size, labels)
    with ServeProcess(home) as service:
        searches = Searches(service.url, ids)
        client = threading.Thread(target=searches.run)
        client.start()
        time.sleep(2)
        resting = time.perf_counter()
        time.sleep(RESTING_SECONDS)
        began = time.perf_counter()
        job = service.client.post("/processes/train/execution", json={"inputs": {"collection": COLLECTION}}).raise_for_status()
        marks = follow(service.client, job.json()["id"])
        result = service.client.get(f"/jobs/{job.json()['id']}/results").raise_for_status().json()
        marks += follow(service.client, result["reindex_job"], "re-index: ")
        print(service.client.get(f"/jobs/{result['reindex_job']}/results").json(), file=sys.stderr)
        ended = time.perf_counter()
        searches.stopping.set()
        client.join()
    calm = float(np.percentile(searches.between(resting, began), 99))
    spans = [("resting", resting, began), *phases(began, marks, ended), ("from POST to switch", began, ended)]
    return [row(size, name, searches.between(start, end), end - start, calm) for name, start, end in spans]


def row(size: int, name: str, times: Sequence[float], seconds: float, calm: float) -> Sequence[str]:
    """One line of the table."""
    if not times:
        return [f"{size:,}", name, f"{seconds:.1f}", "0", "", "", ""]
    p50, p99 = np.percentile(times, (50, 99))
    return [f"{size:,}", name, f"{seconds:.1f}", str(len(times)), f"{p50:.1f}", f"{p99:.1f}", f"{p99 / calm:.1f}"]


def follow(client: httpx.Client, job: str, prefix: str = "") -> list[tuple[float, str]]:
    """Wait for a job; when it began to say what, digits left out."""
    marks: list[tuple[float, str]] = []
    while True:
        document: dict[str, Any] = client.get(f"/jobs/{job}").raise_for_status().json()
        said = prefix + "".join(each for each in document["message"] if not each.isdigit()).split(":")[0].strip()
        if not marks or marks[-1][1] != said:
            marks.append((time.perf_counter(), said))
        if document["status"] in ("failed", "dismissed"):
            raise SystemExit(f"job {job} {document['status']}: {document['message']}")
        if document["status"] == "successful":
            return marks
        time.sleep(POLL_SECONDS)


def phases(began: float, marks: Sequence[tuple[float, str]], ended: float) -> list[tuple[str, float, float]]:
    """Name, start and end of each phase that lasted."""
    starts = [began, *(moment for moment, _ in marks[1:])]
    ends = [*starts[1:], ended]
    names = [name or "beginning" for _, name in marks]
    return [(name, start, end) for name, start, end in zip(names, starts, ends, strict=True) if end - start > POLL_SECONDS]


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
            for number, row in zip(numbers, rows, strict=True)
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
