"""A query by upload, re-ranked, over HTTP and as the sum of its bare parts, for several models in one run.

python benchmarks/bench_upload.py [--models dyad-rgb dyad-rgb-128] [--size 20000] [--queries 200] [--images FOLDER]

Bare parts: simplejpeg and Pillow's resize, the encoder and the matcher's graphs on ONNX Runtime, and the engine's search with
its read of the candidates' records and candidate features, on a copy of the shard. Bare parts and services take turns, ten
queries each.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as edge

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.inference.local_models import BUNDLED
from app.stores.vectors.payload import PAIR_FIELD, RECORD_FIELDS, pairs_of
from benchmarks._archive import fill
from benchmarks._bare_parts import BareParts
from benchmarks._imagery import DATA
from benchmarks._table import machine_line, print_table
from tests.support.process import ServeProcess

COLLECTION = "synthetic"
DEPTH = 100
LIMIT = 10
BLOCK = 10
BOUNDARY = "dyad-benchmark"
PARTS = ("decode", "encode", "query", "tail")


@dataclass(frozen=True, slots=True)
class Subject:
    """A model with a served collection and a copy of its shard. bare: by part. served, stages: of each query over HTTP."""

    model: str
    parts: BareParts
    shard: edge.EdgeShard
    connection: HTTPConnection
    bare: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in PARTS})
    served: list[float] = field(default_factory=list)
    stages: list[dict[str, float]] = field(default_factory=list)


def main() -> None:
    """Measure all models and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["dyad-rgb", "dyad-rgb-128"], help="bundled models with a matcher")
    parser.add_argument("--images", type=Path, default=DATA / "ucmerced", help="JPEGs, in any sub-folder")
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2, help="threads of ONNX Runtime")
    options = parser.parse_args()
    images = [path.read_bytes() for path in sorted(options.images.rglob("*.jpg"))[::3][: options.queries]]
    if not images:
        raise SystemExit(f"{options.images}: no JPEGs; select another folder with --images")
    print(machine_line())
    with ExitStack() as stack:
        subjects = [open_subject(stack, name, options.size, options.threads) for name in options.models]
        for is_warm, block in blocks(images, options.queries):
            for subject in subjects:
                ask(subject, block, is_warm=is_warm)
    rows = [row(subject) for subject in subjects]
    columns = ["model", *PARTS, "sum", "HTTP", "HTTP / sum", "HTTP p99"]
    print_table(f"Query by upload, {options.size:,} tiles, {DEPTH} re-ranked, limit {LIMIT}, p50 ms", columns, rows)
    names = list(subjects[0].stages[0])
    within = [
        [each.model, *(f"{np.median([times[name] for times in each.stages]):.2f}" for name in names)] for each in subjects
    ]
    print_table("Within the service, p50 ms", ["model", *names], within)


def open_subject(stack: ExitStack, model: str, size: int, threads: int) -> Subject:
    """Fill a collection, copy its shard, and serve it until the stack is closed."""
    home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    fill(home, COLLECTION, model, size)
    shutil.copytree(next((home / "vectors").glob("*/shard")), home / "bare")
    shard = edge.EdgeShard.load(str(home / "bare"))
    service = stack.enter_context(ServeProcess(home))
    return Subject(model, BareParts.open(BUNDLED / model, threads), shard, HTTPConnection(service.url.removeprefix("http://")))


def blocks(images: Sequence[bytes], queries: int) -> Iterator[tuple[bool, list[bytes]]]:
    """Blocks of images; the first, and a pause after it for the search table, warm up."""
    for start in range(0, queries + BLOCK, BLOCK):
        yield start > 0, [images[number % len(images)] for number in range(start, start + BLOCK)]
        if start == 0:
            time.sleep(5)


def ask(subject: Subject, block: Sequence[bytes], *, is_warm: bool) -> None:
    """Ask for each image of a block, first by the bare parts, then over HTTP."""
    for data in block:
        times = bare_query(subject.parts, subject.shard, data)
        for name, ms in times.items() if is_warm else ():
            subject.bare[name].append(ms)
    for data in block:
        answer, ms = ask_service(subject.connection, data)
        if is_warm:
            subject.served.append(ms)
            subject.stages.append(answer["timings_ms"])


def row(subject: Subject) -> list[str]:
    """The row of a model."""
    total = np.median(np.sum([np.array(times) for times in subject.bare.values()], axis=0))
    p50, p99 = np.percentile(subject.served, (50, 99))
    parts = [f"{np.median(times):.2f}" for times in subject.bare.values()]
    return [subject.model, *parts, f"{total:.2f}", f"{p50:.2f}", f"{p50 / total:.2f}", f"{p99:.2f}"]


def _median(times: Iterable[float]) -> str:
    return f"{np.median(list(times)):.2f}"


def bare_query(parts: BareParts, shard: edge.EdgeShard, data: bytes) -> dict[str, float]:
    """Milliseconds of each part."""
    marks = [time.perf_counter()]
    pixels = parts.decode(data)
    marks.append(time.perf_counter())
    embedding, _, map_ = parts.encode(pixels)
    half = parts.half(map_)
    marks.append(time.perf_counter())
    query = edge.Query.Nearest(embedding[0].tolist())
    found = shard.search(edge.SearchRequest(query=query, limit=DEPTH))
    records = shard.retrieve([point.id for point in found], [*RECORD_FIELDS, PAIR_FIELD], False)
    pairs = pairs_of([record.payload or {} for record in records])
    marks.append(time.perf_counter())
    if pairs is None:
        raise RuntimeError("tiles without pair halves")
    parts.logits(half, pairs)
    marks.append(time.perf_counter())
    return dict(zip(("decode", "encode", "query", "tail"), np.diff(marks) * 1000, strict=True))


def ask_service(connection: HTTPConnection, data: bytes) -> tuple[dict[str, Any], float]:
    """The answer to one upload, and the milliseconds until all of it was there."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n'
    query = json.dumps({"limit": LIMIT, "rerank": {"depth": DEPTH}})
    body = (head % ("query", "") + f"{query}\r\n" + head % ("image", '; filename="query.jpg"')).encode()
    body += data + f"\r\n--{BOUNDARY}--\r\n".encode()
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    begun = time.perf_counter()
    connection.request("POST", f"/collections/{COLLECTION}/search", body, {"Content-Type": kind})
    answer = connection.getresponse()
    content = answer.read()
    spent = (time.perf_counter() - begun) * 1000
    found: dict[str, Any] = json.loads(content)
    if answer.status != 200 or found["rerank"]["depth"] != DEPTH or len(found["features"]) != LIMIT:
        raise RuntimeError(found)
    return found, spent


if __name__ == "__main__":
    main()
