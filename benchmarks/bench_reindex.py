"""Re-indexing with another head: its duration, and the latency of searches during it.

python benchmarks/bench_reindex.py [--sizes 10000 100000] [--seconds 20]

Tiles are of a few drawn images, with features that differ by noise, under the model that ships with Dyad; the new model is
that one with another head. One client searches by item ids, re-ranking as the model does, one request at a time over one
connection: first at rest, then while the re-index runs, then at rest on the new index. All in one run; the service is a
process of its own.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.container import Container
from app.domain.naming.ids import tile_id
from app.domain.tiles import Embeddings
from app.imagery.tiling.tiler import read_tile
from app.inference.local_models import BUNDLED
from app.services.catalogue.tile_settings import cut_spec
from app.settings import load_settings
from benchmarks._archive import archive_tile
from benchmarks._table import machine_line, print_table
from models.bundle.trained_card import TrainingSet
from models.heads.head_bundle import HeadFacts, read_head, write_head_bundle
from models.heads.linear_head import Head
from tests.support.pictures import striped
from tests.support.process import ServeProcess

COLLECTION = "synthetic"
MODEL, NEW = "dyad-rgb-128", "another-head"
LIMIT = 10
BATCH = 500
IMAGES, NOISE = 50, 0.02
ENDED = ("successful", "failed", "dismissed")


def main() -> None:
    """Measure every size and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--seconds", type=float, default=20, help="seconds of searching without a re-index, before and after")
    options = parser.parse_args()
    rows = []
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            rows += measure(Path(folder), size, options.seconds)
    print(machine_line())
    columns = ["tiles", "moment", "searches", "p50", "p99", "slowest", "p99 to rest", "re-index, s"]
    print_table(f"Searches by item id during a re-index with another head, limit {LIMIT}, milliseconds", columns, rows)


def measure(home: Path, size: int, seconds: float) -> list[list[str]]:
    """The rows of one size."""
    ids = fill(home, size)
    with ServeProcess(home) as service:
        client = Client(service.url, ids)
        client.search_for(3)
        rest = client.search_for(seconds)
        start = time.monotonic()
        job = client.reindex()
        during = client.search_until(lambda: client.has_ended(job))
        took = time.monotonic() - start
        client.check(job)
        after = client.search_for(seconds)
    return [
        row(size, "at rest", rest, rest),
        [*row(size, "re-indexing", during, rest)[:-1], f"{took:.1f}"],
        row(size, "afterwards", after, rest),
    ]


def row(size: int, moment: str, times: list[float], rest: list[float]) -> list[str]:
    """A moment's figures, times in milliseconds."""
    p50, p99 = np.percentile(times, (50, 99))
    figures = [f"{value:.1f}" for value in (p50, p99, max(times))]
    return [f"{size:,}", moment, str(len(times)), *figures, f"{p99 / np.percentile(rest, 99):.2f}", ""]


def fill(home: Path, size: int) -> list[str]:
    """A collection of `size` tiles of the shipped model, and a model that differs in its head; the tiles' ids."""
    random = np.random.default_rng(0)
    container = Container(load_settings({}, home=home))
    container.collections.create(COLLECTION, model=MODEL)
    index, card = container.collections.live(COLLECTION).index, container.models.card(MODEL)
    head = read_head(BUNDLED / MODEL)
    images = [striped(angle, seed=angle, size=card.input_size) for angle in range(IMAGES)]
    keys = [f"collections/{COLLECTION}/{number}.png" for number in range(IMAGES)]
    for key, image in zip(keys, images, strict=True):
        container.blobs.put(key, image)
    spec = cut_spec(container.collections.get(COLLECTION), card, 10**6)
    drawn = container.models.load(MODEL).embed(np.stack([read_tile(image, spec, None) for image in images]))
    if drawn.feature is None or drawn.pair is None:
        raise SystemExit(f"{MODEL} has no features, or no candidate features")
    ids = [tile_id(COLLECTION, f"{number}.tif", "") for number in range(size)]
    for start in range(0, size, BATCH):
        span = np.arange(start, min(start + BATCH, size))
        features = drawn.feature[span % IMAGES].astype(np.float32)
        features += random.normal(scale=NOISE * drawn.feature.std(), size=features.shape)
        places = random.uniform((-180, -60), (179.9, 60), (len(span), 2))
        tiles = [
            replace(archive_tile(COLLECTION, ids[number], number, *place), image=keys[number % IMAGES])
            for number, place in zip(span.tolist(), places, strict=True)
        ]
        made = Embeddings(head.project(features), features.astype(np.float16), drawn.pair[span % IMAGES])
        container.vectors.upsert(index, tiles, made)
    container.vectors.flush(index)
    container.close()
    weight = head.weight + random.normal(scale=0.3 * head.weight.std(), size=head.weight.shape).astype(np.float32)
    facts = HeadFacts(NEW, "Another head", "For a benchmark.", TrainingSet(name="noise", terms="none"), {})
    write_head_bundle(home / "models", BUNDLED / MODEL, Head(weight, head.bias), facts)
    return ids


class Client:
    """One connection that searches."""

    def __init__(self, url: str, ids: list[str]) -> None:
        self.connection = HTTPConnection(url.removeprefix("http://"))
        self.random = np.random.default_rng(1)
        self.ids = ids

    def search_for(self, seconds: float) -> list[float]:
        """Milliseconds of each search."""
        end = time.monotonic() + seconds
        return self.search_until(lambda: time.monotonic() > end)

    def search_until(self, is_over: Callable[[], bool]) -> list[float]:
        """Milliseconds of each search."""
        times = []
        while not is_over():
            for _ in range(20):
                item = self.ids[int(self.random.integers(len(self.ids)))]
                start = time.perf_counter()
                found = self.ask("GET", f"/collections/{COLLECTION}/search?item={item}&limit={LIMIT}")
                times.append((time.perf_counter() - start) * 1000)
                if len(found["features"]) != LIMIT:
                    raise SystemExit(f"a search found {len(found['features'])} tiles")
        return times

    def reindex(self) -> str:
        """Begin it, with a margin that lets any head pass; the job's id."""
        inputs = {"collection": COLLECTION, "model": NEW, "force": True}
        job: str = self.ask("POST", "/processes/reindex/execution", {"inputs": inputs})["id"]
        return job

    def has_ended(self, job: str) -> bool:
        """Whether a job has."""
        return self.ask("GET", f"/jobs/{job}")["status"] in ENDED

    def check(self, job: str) -> None:
        """Every tile was projected, and the new index answers."""
        result = self.ask("GET", f"/jobs/{job}/results")
        if not result["switched"] or result["projected"] != len(self.ids):
            raise SystemExit(f"the re-index came to {result}")

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """One request; the JSON object of its answer."""
        self.connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise SystemExit(f"{method} {path}: {text.decode()}")
        document: dict[str, Any] = json.loads(text)
        return document


if __name__ == "__main__":
    main()
