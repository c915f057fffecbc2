"""`dyad index` of UC Merced compared with a bare ONNX Runtime loop, with a bundled model.

python benchmarks/bench_ingest.py [--data ../shared/data] [--model dyad-rgb] [--beside dyad-rgb-128] [--rounds 3] [--json]

Bare: `InferenceSession.run` on batches of 32 that are decoded and normalised already; nothing else is timed. `dyad index`: the
job, from claim to end, and the whole command with the start of its process. Rounds alternate the two, and medians are
compared. Stages: each step alone, one after the other, on one thread but for inference. --beside: the bare loop of other
models in the same rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.domain.models import DEFAULT_MODEL
from app.domain.naming.ids import tile_id
from app.domain.tiles import Tile
from app.inference.local_models import BUNDLED
from app.inference.onnx import OnnxInference
from app.stores.blobs.object_blobs import ObjectBlobs
from app.stores.vectors.edge.edge_store import EdgeVectorStore
from benchmarks._imagery import DATA, class_folders, images_of
from benchmarks._table import machine_line, print_table
from benchmarks.bench_handcrafted import read_tiles
from models.bundle.verify import read_card
from tests.support.process import COMMAND, environment

ROOT = Path(__file__).parents[1]
COLLECTION = "ucm"
BATCH = 32
TARGET = 0.9


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds for all images: the bare loop, the job of `dyad index`, the whole command; the bare loops of other models."""

    bare: float
    job: float
    command: float
    beside: tuple[float, ...]


def main() -> None:
    """Measure, and print two tables or one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--model", default=DEFAULT_MODEL, help="a bundled model (default: %(default)s)")
    parser.add_argument("--beside", nargs="*", default=[], metavar="MODEL", help="other bundled models")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--classes", type=int, default=21, help="number of the 21 folders of 100 images to use")
    parser.add_argument("--json", action="store_true", help="print only a JSON document")
    options = parser.parse_args()
    folders = class_folders(options.data, options.classes)
    paths = images_of(options.data, options.classes)
    bundle = BUNDLED / options.model
    with tempfile.TemporaryDirectory() as scratch:
        stages, tiles = measure_stages(Path(scratch), bundle, paths)
        others = [(BUNDLED / name, read_tiles(read_card(BUNDLED / name), paths)) for name in options.beside]
        rounds = []
        for number in range(options.rounds):
            bare = bare_loop(bundle, tiles)
            beside = tuple(bare_loop(*other) for other in others)
            rounds.append(Round(bare, *index(Path(scratch, f"home{number}"), bundle, folders, len(paths)), beside))
    bare, job, command = (statistics.median(getattr(one, name) for one in rounds) for name in ("bare", "job", "command"))
    beside_times = zip(*(one.beside for one in rounds), strict=True)
    if options.json:
        seconds = {"bare": bare, "job": job, "command": command, **stages}
        print(json.dumps({"machine": machine_line(), "images": len(paths), "seconds": seconds, "share": bare / job}))
        return
    print(machine_line())
    rows = [
        [name, f"{value:.1f}", f"{len(paths) / value:.0f}", f"{bare / value:.2f}"]
        for name, value in (
            ("bare loop", bare),
            *(
                (f"bare loop, {name}", statistics.median(times))
                for name, times in zip(options.beside, beside_times, strict=True)
            ),
            ("dyad index, the job", job),
            ("dyad index, the command", command),
        )
    ]
    title = f"{options.model}, {len(paths)} images, medians of {options.rounds} (wanted: {TARGET} of bare)"
    print_table(title, ["measured", "seconds", "images/s", "relative to bare"], rows)
    alone = [[name, f"{value:.1f}", f"{len(paths) / value:.0f}"] for name, value in stages.items()]
    print_table("Each stage alone", ["stage", "seconds", "images/s"], alone)


def bare_loop(bundle: Path, tiles: NDArray[np.uint8]) -> float:
    """Seconds in `InferenceSession.run` for all tiles."""
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = os.cpu_count() or 1
    session = ort.InferenceSession(bundle / "encoder.onnx", settings, providers=["CPUExecutionProvider"])
    normal = read_card(bundle).normalisation or sys.exit(f"{bundle.name} has no normalisation")
    mean, std = np.array(normal.mean, np.float32), np.array(normal.std, np.float32)
    seconds = 0.0
    for start in range(0, len(tiles), BATCH):
        batch = np.ascontiguousarray(((tiles[start : start + BATCH] / np.float32(255) - mean) / std).transpose(0, 3, 1, 2))
        begun = time.perf_counter()
        session.run(None, {session.get_inputs()[0].name: batch})
        seconds += time.perf_counter() - begun
    return seconds


def index(home: Path, bundle: Path, folders: Sequence[Path], images: int) -> tuple[float, float]:
    """Seconds of the job and of the whole command that indexes `folders` into a new home."""
    begun = time.perf_counter()
    found = _dyad(home, "index", COLLECTION, *map(str, folders), "--labels-from-folders", "--model", bundle.name, "--json")
    command = time.perf_counter() - begun
    if found["indexed"] != images:
        sys.exit(f"{found['indexed']} of {images} images indexed: {found['rejected'][:3]}")
    job = _dyad(home, "jobs", "list", "--json")["jobs"][0]
    started, finished = (datetime.fromisoformat(job[name]) for name in ("started", "finished"))
    return (finished - started).total_seconds(), command


def _dyad(home: Path, *arguments: str) -> dict[str, Any]:
    answer = subprocess.run(
        [*COMMAND, *arguments, "--home", str(home)], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    if answer.returncode != 0:
        sys.exit(f"dyad {' '.join(arguments)}: {answer.stderr}")
    document: dict[str, Any] = json.loads(answer.stdout)
    return document


def measure_stages(scratch: Path, bundle: Path, paths: Sequence[Path]) -> tuple[dict[str, float], NDArray[np.uint8]]:
    """Seconds of decoding, inference and storing, each alone, and the decoded tiles."""
    model = OnnxInference(bundle, os.cpu_count() or 1)
    begun = time.perf_counter()
    tiles = read_tiles(model.card, paths)
    decoded = time.perf_counter()
    batches = [model.embed(tiles[start : start + BATCH]) for start in range(0, len(tiles), BATCH)]
    embedded = time.perf_counter()
    vectors, blobs = EdgeVectorStore(scratch / "vectors"), ObjectBlobs(scratch / "blobs")
    vectors.create_index("index", model.card.dimension)
    for number, embeddings in enumerate(batches):
        some = paths[number * BATCH : (number + 1) * BATCH]
        records = [_record(path) for path in some]
        for path, record in zip(some, records, strict=True):
            blobs.put(record.image, path)
        vectors.upsert("index", records, embeddings)
    vectors.flush("index")
    stored = time.perf_counter()
    vectors.close()
    model.close()
    return {"decode": decoded - begun, "inference": embedded - decoded, "store": stored - embedded}, tiles


def _record(path: Path) -> Tile:
    name = f"{path.parent.name}/{path.name}"
    identity = tile_id(COLLECTION, name, "")
    image = f"collections/{COLLECTION}/images/{identity}.jpg"
    return Tile(identity, name, path.name, "0" * 64, image, datetime.now(UTC), labels=(path.parent.name,))


if __name__ == "__main__":
    main()
