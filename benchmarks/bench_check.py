"""Whether something became slower: ratios of the service to a floor that is measured in the same run.

python benchmarks/bench_check.py [--store] [--rounds 5]

A ratio is the fastest of some runs of the product, divided by the fastest of the floor; runs of both alternate. It depends
little on what else the machine does, but on the processor, so they are stored for each kind of processor in benchmarks/ratios.
A ratio that is 20 % above the stored one is reported, and the exit status is 1. `--store` stores the ratios of this run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads that wait for a busy processor make the floor uncertain
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.container import Container
from app.domain.places.geometry import parse_bbox
from app.domain.queries.search import TileFilter
from app.settings import load_settings
from benchmarks._archive import Archive, fill
from benchmarks._table import machine_line, print_table, processor
from tests.support.images import picture, saved
from tests.support.process import ServeProcess

RATIOS = Path(__file__).parent / "ratios"
WORSE = 1.2
SMALL, LARGE = 1_000, 20_000
COLLECTION = "synthetic"
PICTURES = 200
Run = Callable[[], object]
"""What is timed; if it returns a float, these are the seconds."""


def main() -> int:
    """Measure, compare and print; 1 if a ratio is worse."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", action="store_true", help="store the ratios of this run for this kind of processor")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (product, floor, count) in measures(Path(folder)):
            found[name] = ratio(product, floor, count, options.rounds)
            print(f"{found[name]:8.2f}  {name}", file=sys.stderr)
    file = RATIOS / f"{kind_of_processor()}.json"
    stored: dict[str, float] = json.loads(file.read_text()) if file.exists() else {}
    worse = worse_than(stored, found)
    print(machine_line())
    rows = [
        [name, f"{value:.2f}", f"{stored[name]:.2f}" if name in stored else "", "worse" if name in worse else ""]
        for name, value in found.items()
    ]
    print_table(f"Product / floor, stored in {file.name}", ["measured", "now", "stored", ""], rows)
    if options.store:
        RATIOS.mkdir(exist_ok=True)
        file.write_text(json.dumps({name: round(value, 3) for name, value in found.items()}, indent=1) + "\n")
    elif not stored:
        print(f"no ratios are stored for {kind_of_processor()}; --store stores these")
    elif worse:
        print(f"more than 20 % worse than stored: {', '.join(worse)}")
    return 1 if worse and not options.store else 0


def worse_than(stored: Mapping[str, float], found: Mapping[str, float]) -> list[str]:
    """Names of the ratios that are more than 20 % above the stored ones."""
    return [name for name, value in found.items() if name in stored and value > WORSE * stored[name]]


def ratio(product: Run, floor: Run, count: int, rounds: int) -> float:
    """Fastest of the product, divided by the fastest of the floor; both run `count` times in each round, after one warm-up."""
    times: dict[Run, list[float]] = {product: [], floor: []}
    for round_number in range(rounds):
        for run, spent in times.items():
            if round_number == 0:
                run()
            for _ in range(count):
                start = time.perf_counter()
                own = run()
                spent.append(own if isinstance(own, float) else time.perf_counter() - start)
    return min(times[product]) / min(times[floor])


def measures(folder: Path) -> Iterator[tuple[str, tuple[Run, Run, int]]]:
    """Name, and product, floor and runs in a round of each measure. The product is prepared when its turn comes."""
    small = fill(folder / "small", COLLECTION, "hog", SMALL)
    with http_search(folder / "small", small) as (search, nothing):
        yield f"search over HTTP, {SMALL} tiles / an empty answer", (search, nothing, 60)
    large = fill(folder / "large", COLLECTION, "hog", LARGE)
    container = Container(load_settings({}, home=folder / "large"))
    index = container.collections.live(COLLECTION).index
    boxes = Boxes(large)
    vectors, query = large.embeddings, large.embeddings[7]
    opened = container.vectors._index(index)  # type: ignore[attr-defined]
    opened.wait_for_table()
    yield (
        f"search in the store, {LARGE} tiles / NumPy",
        (
            lambda: container.vectors.search(index, query, limit=10, filter=TileFilter()),
            lambda: np.argpartition(-(vectors @ query), 10)[:10],
            20,
        ),
    )
    yield (
        f"search in a new box, {LARGE} tiles / NumPy",
        (lambda: container.vectors.search(index, query, limit=10, filter=boxes.new()), lambda: boxes.masked(query), 20),
    )
    yield (
        f"count in a new box, {LARGE} tiles / NumPy",
        (
            lambda: container.vectors.count(index, boxes.new()),
            boxes.count,
            20,
        ),
    )
    yield "ingest / bare encoder", (*ingest(folder / "pictures", container), 1)
    container.close()


@contextmanager
def http_search(home: Path, archive: Archive) -> Iterator[tuple[Run, Run]]:
    """A search by item over HTTP, and the answer without content of the same service."""
    numbers = iter(np.random.default_rng(0).integers(0, len(archive.ids), 100_000).tolist())
    with ServeProcess(home) as service:
        connection = HTTPConnection(service.url.removeprefix("http://"))

        def ask(address: str) -> None:
            connection.request("GET", address)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise RuntimeError(body)

        yield (
            lambda: ask(f"/collections/{COLLECTION}/search?item={archive.ids[next(numbers)]}&limit=10"),
            lambda: ask("/healthz"),
        )
        connection.close()


class Boxes:
    """Boxes of 120 by 60 degrees with about the same tiles, a new one each, and the floor of a search in one."""

    def __init__(self, archive: Archive) -> None:
        self._random = np.random.default_rng(2)
        self._vectors = archive.embeddings
        self._lon, self._lat = self._random.uniform((-180, -60), (180, 60), (len(archive.ids), 2)).T

    def new(self) -> TileFilter:
        """A filter that was not used before."""
        west, south = self._corner()
        return TileFilter(region=parse_bbox((west, south, west + 120, south + 60)))

    def masked(self, query: np.ndarray[tuple[int], np.dtype[np.float32]]) -> object:
        """The nearest rows in a box."""
        scores = np.where(self._mask(), self._vectors @ query, -1)
        return np.argpartition(-scores, 10)[:10]

    def count(self) -> int:
        """The number of rows in a box."""
        return int(np.count_nonzero(self._mask()))

    def _corner(self) -> tuple[float, float]:
        west, south = self._random.uniform((-100, -20), (-99.9, -19.9))
        return float(west), float(south)

    def _mask(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        west, south = self._corner()
        inside = (self._lon >= west) & (self._lon <= west + 120) & (self._lat >= south) & (self._lat <= south + 60)
        return np.asarray(inside)


def ingest(folder: Path, container: Container) -> tuple[Run, Run]:
    """An ingest of pictures into a new collection with the default model, and its encoder alone on as many tiles."""
    folder.mkdir()
    for number in range(PICTURES):
        saved(folder / f"{number}.jpg", picture(width=256, height=256, seed=number))
    model = container.models.load(container.models.default().id)
    size = model.card.input_size
    pixels = np.random.default_rng(3).integers(0, 255, (PICTURES, size, size, len(model.card.bands)), np.uint8)
    container.start(tick=False)
    names = iter(range(1000))

    def index() -> float:
        name = f"pictures{next(names)}"
        container.collections.create(name)
        begun = time.perf_counter()
        job = container.ingest.submit_paths(name, [folder])
        while container.job_store.get(job.id).status.value not in ("successful", "failed"):
            time.sleep(0.005)
        if container.job_store.get(job.id).status.value == "failed":
            raise RuntimeError(container.job_store.get(job.id).error)
        return time.perf_counter() - begun

    def encode() -> None:
        for start in range(0, PICTURES, 32):
            model.embed(pixels[start : start + 32])

    return index, encode


def kind_of_processor() -> str:
    """The processor and its vector instructions, as a file name."""
    info = Path("/proc/cpuinfo")
    flags = set(info.read_text().partition("flags")[2].partition("\n")[0].split()) if info.exists() else set()
    kinds = [name for name in ("avx2", "avx512f", "avx512_vnni", "avx_vnni") if name in flags]
    return "-".join(re.findall(r"[a-z0-9]+", processor().lower()) + kinds)


if __name__ == "__main__":
    sys.exit(main())
