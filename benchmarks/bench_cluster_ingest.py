"""What a cluster costs and gains when it indexes: one and two workers beside the embedded mode, on the same files.

python benchmarks/bench_cluster_ingest.py [--data ../shared/data] [--rounds 3] [--classes 21] [--model dyad-rgb-128]

Every mode is made of real processes with one thread each: `dyad serve`, Celery workers, redis-server, and the vector server of
the tests (Qdrant's interface over an Edge shard; a Python process, which takes more of a processor than a Qdrant server would).
Blobs lie in a folder, and everything in memory (/dev/shm) where there is room, so that no disk is measured. A job indexes a
folder of real images by its path; its time is that from its start to its end. Each process has indexed other tiles before.

The cost of the queue is the difference between one worker and one embedded process with the same vector server, per tile; that
of the vector server is the difference to the embedded process with its own store. Rounds alternate the modes, and each
difference is taken within its round. Needs redis-server and the extra `cluster`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._table import machine_line, print_table
from tests.support.cluster import Cluster, wait_for_job
from tests.support.process import ServeProcess
from tests.support.qdrant import QdrantProcess

ROOT = Path(__file__).parents[1]
MEMORY = Path("/dev/shm")
ROOM = 2 << 30
WARM_FILES = 600
CHUNK_FILES = "256"
SECONDS = 3600.0
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


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DYAD_DATA", ROOT.parent / "shared" / "data")))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--classes", type=int, default=21, help="how many of the 21 folders of 100 images; fewer are quicker")
    parser.add_argument("--model", default="dyad-rgb-128")
    options = parser.parse_args()
    folders = sorted(path for path in (options.data / "ucmerced").glob("*") if path.is_dir())[: options.classes]
    if not folders:
        sys.exit(f"no images in {options.data / 'ucmerced'}; name the folder of the test data with --data or DYAD_DATA")
    with tempfile.TemporaryDirectory(dir=scratch_place()) as scratch:
        images = copy(folders, Path(scratch, "images"))
        files = sum(1 for path in images.rglob("*") if path.is_file())
        rounds = [
            {mode: seconds(mode, Path(scratch, str(number)), images, files, options.model) for mode in MODES}
            for number in range(options.rounds)
        ]
    print(machine_line())
    show(rounds, files)


def scratch_place() -> Path | None:
    """A folder in memory, if there is one with room."""
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    return MEMORY if has_room else None


def copy(folders: Sequence[Path], target: Path) -> Path:
    """The images in one folder, in reach of every process, and as quick to read."""
    for folder in folders:
        shutil.copytree(folder, target / folder.name)
    return target


def seconds(mode: Mode, folder: Path, images: Path, files: int, model: str) -> float:
    """From the start to the end of the job that indexes all images, in processes that have done so with some."""
    folder.mkdir()
    with client_of(mode, folder, images) as client:
        few = folder / "few"
        few.mkdir()
        for path in sorted(images.rglob("*.jpg"))[:WARM_FILES]:
            (few / path.name).symlink_to(path)
        index(client, "warm", few, model)
        job = index(client, "tiles", images, model)
        found = client.get(f"/jobs/{job['jobID']}/results").raise_for_status().json()
    shutil.rmtree(folder)
    if found["indexed"] != files:
        sys.exit(f"{mode.name}: {found['indexed']} of {files} images indexed: {found['rejected'][:3]}")
    started, finished = (datetime.fromisoformat(str(job[name])) for name in ("started", "finished"))
    return (finished - started).total_seconds()


@contextmanager
def client_of(mode: Mode, folder: Path, images: Path) -> Iterator[httpx.Client]:
    """A client of the mode's processes, which end with it."""
    env = {"DYAD_THREADS": "1", "DYAD_READ_ROOTS": f"{folder}:{images}", "DYAD_CHUNK_FILES": CHUNK_FILES}
    if mode.workers:
        with Cluster(folder, env=env) as cluster:
            for _ in range(mode.workers):
                cluster.worker()
            yield cluster.api().client
        return
    vectors = None if mode.vectors == "own" else QdrantProcess(folder / "vectors")
    try:
        if vectors is not None:
            env["DYAD_VECTORS_URL"] = vectors.url
        with ServeProcess(folder / "home", folder / "log", **env) as service:
            yield service.client
    finally:
        if vectors is not None:
            vectors.kill()


def index(client: httpx.Client, collection: str, folder: Path, model: str) -> dict[str, object]:
    """Index a folder into a new collection; the job, which has ended."""
    client.post("/collections", json={"id": collection, "model": model}).raise_for_status()
    answer = client.post(f"/collections/{collection}/items", json={"href": str(folder)})
    job = wait_for_job(client, answer.raise_for_status().headers["location"], SECONDS)
    if job["status"] != "successful":
        sys.exit(f"the job ended as {job['status']}: {job['message']}")
    return job


def show(rounds: Sequence[dict[Mode, float]], files: int) -> None:
    """The modes, and what the parts of a cluster cost."""

    def middle(mode: Mode, over: Mode) -> float:
        return statistics.median(each[over] / each[mode] for each in rounds)

    rows = [
        [mode.name, f"{files / statistics.median(each[mode] for each in rounds):.0f}", f"{middle(mode, OWN):.2f}"]
        for mode in MODES
    ]
    print_table(f"{files} tiles, medians of {len(rounds)}", ["indexed by", "tiles/s", "of embedded"], rows)
    costs = []
    for name, with_it, without in (("the vectors' way over HTTP", SERVED, OWN), ("the queue", ONE, SERVED)):
        added = [each[with_it] - each[without] for each in rounds]
        shares = [(each[with_it] - each[without]) / each[without] for each in rounds]
        spread = f"{min(shares):+.1%} to {max(shares):+.1%}"
        costs.append([name, f"{1000 * statistics.median(added) / files:+.2f}", f"{statistics.median(shares):+.1%}", spread])
    print_table(f"Added to each tile (the queue: at most {TARGET:.0%} wanted)", ["by", "ms", "share", "rounds"], costs)
    print(f"Two workers index {statistics.median(each[ONE] / each[TWO] for each in rounds):.2f} times as many as one.")


if __name__ == "__main__":
    main()
