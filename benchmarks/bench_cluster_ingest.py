"""Cost and gain of a cluster in indexing: one and two workers compared with the embedded mode, on the same files.

python benchmarks/bench_cluster_ingest.py [--data ../shared/data] [--rounds 3] [--classes 21] [--model dyad-rgb-128]

Every mode is made of real processes with one thread each: `dyad serve`, Celery workers, redis-server, and the vector server of
the tests (Qdrant's interface over an Edge shard; a Python process, which takes more of a processor than a Qdrant server would).
Blobs lie in a folder, and everything in memory (/dev/shm) where there is room, so that no disk is measured. A job indexes a
folder of real images by its path; its time is that from its start to its end. Each process has indexed other tiles before.

The cost of the queue is the difference between one worker and one embedded process with the same vector server, per tile; that
of the vector server is the difference to the embedded process with its own store. Rounds alternate the modes, and each
difference is taken within its round. Seconds of processors, the vector server's aside, are counted as well: other work on the
machine changes these least. Needs redis-server and the extra `cluster`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._imagery import DATA, class_folders
from benchmarks._table import machine_line, print_table
from tests.support.cluster import Cluster
from tests.support.process import ServeProcess
from tests.support.qdrant import QdrantProcess

ROOT = Path(__file__).parents[1]
MEMORY = Path("/dev/shm")
ROOM = 2 << 30
WARM_FILES = 600
CHUNK_FILES = "256"
POLL_SECONDS = 0.5
TARGET = 0.05


@dataclass(frozen=True, slots=True)
class Mode:
    """workers: 0 for the embedded mode. vectors: `own` store, or by `HTTP`."""

    name: str
    workers: int
    vectors: str


OWN = Mode("embedded, its own vector store", 0, "own")
SERVED = Mode("embedded, vectors by HTTP", 0, "HTTP")
ONE = Mode("one worker", 1, "HTTP")
TWO = Mode("two workers", 2, "HTTP")
MODES = (OWN, SERVED, ONE, TWO)


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds of one job: by the clock; of processors in all processes but the vector server, and in that."""

    job: float
    work: float
    vectors: float


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--classes", type=int, default=21, help="number of the 21 folders of 100 images to use")
    parser.add_argument("--model", default="dyad-rgb-128")
    options = parser.parse_args()
    folders = class_folders(options.data, options.classes)
    with tempfile.TemporaryDirectory(dir=scratch_place()) as scratch:
        images = copy(folders, Path(scratch, "images"))
        files = sum(1 for path in images.rglob("*") if path.is_file())
        rounds = [
            {mode: measure(mode, Path(scratch, str(number)), images, files, options.model) for mode in MODES}
            for number in range(options.rounds)
        ]
    print(machine_line())
    show(rounds, files)


def scratch_place() -> Path | None:
    """A folder in memory, if there is one with room."""
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    return MEMORY if has_room else None


def copy(folders: Sequence[Path], target: Path) -> Path:
    """The images in one folder that every process reads equally fast."""
    for folder in folders:
        shutil.copytree(folder, target / folder.name)
    return target


def measure(mode: Mode, folder: Path, images: Path, files: int, model: str) -> Run:
    """The job that indexes all images, in processes that have done so with some."""
    folder.mkdir()
    with client_of(mode, folder, images) as (client, vectors):
        few = folder / "few"
        few.mkdir()
        for path in sorted(images.rglob("*.jpg"))[:WARM_FILES]:
            (few / path.name).symlink_to(path)
        index(client, "warm", few, model)
        before = processor_seconds()
        job = index(client, "tiles", images, model)
        after = processor_seconds()
        found = client.get(f"/jobs/{job['jobID']}/results").raise_for_status().json()
    shutil.rmtree(folder)
    if found["indexed"] != files:
        sys.exit(f"{mode.name}: {found['indexed']} of {files} images indexed: {found['rejected'][:3]}")
    started, finished = (datetime.fromisoformat(str(job[name])) for name in ("started", "finished"))
    spent = {process: each - before.get(process, 0.0) for process, each in after.items()}
    served = spent.pop(vectors, 0.0)
    return Run((finished - started).total_seconds(), sum(spent.values()), served)


def processor_seconds() -> dict[int, float]:
    """CPU time of each descendant process so far."""
    parents, used = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(") ", 1)[1].split()
        except OSError:  # it has ended
            continue
        parents[int(path.parent.name)] = int(fields[1])
        used[int(path.parent.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    ours: set[int] = set()
    begun = {os.getpid()}
    while begun:
        begun = {process for process, parent in parents.items() if parent in begun}
        ours |= begun
    return {process: used[process] for process in ours}


@contextmanager
def client_of(mode: Mode, folder: Path, images: Path) -> Iterator[tuple[httpx.Client, int]]:
    """A client of the mode's processes, which end with it, and the vector server's process; 0 for none."""
    env = {"DYAD_THREADS": "1", "DYAD_READ_ROOTS": f"{folder}:{images}", "DYAD_CHUNK_FILES": CHUNK_FILES}
    if mode.workers:
        with Cluster(folder, env=env) as cluster:
            for _ in range(mode.workers):
                cluster.worker()
            yield cluster.api().client, cluster.vectors.process.pid
        return
    vectors = None if mode.vectors == "own" else QdrantProcess(folder / "vectors")
    try:
        if vectors is not None:
            env["DYAD_VECTORS_URL"] = vectors.url
        with ServeProcess(folder / "home", folder / "log", **env) as service:
            yield service.client, 0 if vectors is None else vectors.process.pid
    finally:
        if vectors is not None:
            vectors.kill()


def index(client: httpx.Client, collection: str, folder: Path, model: str) -> dict[str, object]:
    """Index a folder into a new collection; the job, which has ended."""
    client.post("/collections", json={"id": collection, "model": model}).raise_for_status()
    answer = client.post(f"/collections/{collection}/items", json={"href": str(folder)})
    job: dict[str, object] = answer.raise_for_status().json()
    while job["status"] in ("accepted", "running"):
        time.sleep(POLL_SECONDS)
        job = client.get(f"/jobs/{job['jobID']}").raise_for_status().json()
    if job["status"] != "successful":
        sys.exit(f"the job ended as {job['status']}: {job['message']}")
    return job


def show(rounds: Sequence[dict[Mode, Run]], files: int) -> None:
    """The modes, and the cost of each part of a cluster."""
    rows = []
    for mode in MODES:
        rate = files / statistics.median(each[mode].job for each in rounds)
        ratio = statistics.median(each[OWN].job / each[mode].job for each in rounds)
        spent = [
            1000 * statistics.median(value) / files
            for value in zip(*((each[mode].work, each[mode].vectors) for each in rounds), strict=True)
        ]
        rows.append([mode.name, f"{rate:.0f}", f"{ratio:.2f}", *(f"{value:.2f}" for value in spent)])
    columns = ["indexed by", "tiles/s", "of embedded", "processor, ms a tile", "of the vector server"]
    print_table(f"{files} tiles, medians of {len(rounds)}", columns, rows)
    costs = []
    for name, over, under in (("the vectors' way over HTTP", SERVED, OWN), ("the queue", ONE, SERVED)):
        for kind, seconds in (("clock", attrgetter("job")), ("processor", attrgetter("work"))):
            added = [seconds(each[over]) - seconds(each[under]) for each in rounds]
            shares = [more / seconds(each[under]) for more, each in zip(added, rounds, strict=True)]
            spread = f"{min(shares):+.1%} to {max(shares):+.1%}"
            ms = 1000 * statistics.median(added) / files
            costs.append([f"{name}, {kind}", f"{ms:+.2f}", f"{statistics.median(shares):+.1%}", spread])
    print_table(f"Added time per tile (target for the queue: at most {TARGET:.0%})", ["by", "ms", "share", "rounds"], costs)
    gain = statistics.median(each[ONE].job / each[TWO].job for each in rounds)
    print(f"Two workers are {gain:.2f} times as fast as one.")


if __name__ == "__main__":
    main()
