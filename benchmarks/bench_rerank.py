"""Re-ranking: neighbourhoods, the split matcher compared with the naive one, and a query by upload with its bare parts.

python benchmarks/bench_rerank.py [--size 100000] [--queries 200] [--images FOLDER] [--parts ...] [--threads 2]

Naive: the maps of query and candidate, concatenated, through the whole network, from the same weights, on the same runtime.
Maps are those of the images. Rounds alternate, and every ratio is a median of ratios of one round. The naive matcher is made
with PyTorch (the extra `train`).

Bare parts of a query by upload: simplejpeg, the encoder and the matcher's graphs on ONNX Runtime, and the engine's search with
its read of the candidates' records and halves, each called with nothing around it, on a copy of the shard, in turn with the
service.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import qdrant_edge as edge
import simplejpeg
import torch
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.inference.bundles import read_bundle
from app.inference.local_models import BUNDLED
from app.stores.vectors.payload import PAIR_FIELD, RECORD_FIELDS, pairs_of
from benchmarks._archive import fill
from benchmarks._imagery import DATA
from benchmarks._naive_matcher import export_naive, split_log_odds
from benchmarks._table import machine_line, print_table
from models.bundle.neighbourhood import neighbour_overlap
from models.bundle.sessions import open_session
from models.export.onnx_graphs import QuantisedMatcher, export_matcher
from models.export.write_bundle import read_bundle as read_networks
from models.matcher.correlation import CorrelationMatcher
from models.matcher.quantise import fit_quantisation, quantise
from models.matcher.split import SplitMatcher
from tests.support.process import ServeProcess

ROOT = Path(__file__).parents[1]
BUNDLE = BUNDLED / "dyad-rgb-128"
COLLECTION = "synthetic"
DEPTHS = (10, 50, 100, 500)
DEPTH = 100
LIMIT = 10
ROUNDS = 15
BLOCK = 10
"""Queries of one kind in a row."""
BOUNDARY = "dyad-benchmark"


def main() -> None:
    """Measure all and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, default=DATA / "ucmerced", help="JPEGs of at least 128 x 128, in any sub-folder")
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=200)
    kinds = ["neighbours", "matchers", "queries"]
    parser.add_argument("--parts", nargs="+", choices=kinds, default=kinds)
    parser.add_argument("--threads", type=int, default=2, help="threads of ONNX Runtime")
    options = parser.parse_args()
    print(machine_line())
    if "neighbours" in options.parts:
        measure_neighbours()
    if options.parts == ["neighbours"]:
        return
    images = [path.read_bytes() for path in sorted(options.images.rglob("*.jpg"))[::3][:600]]
    if len(images) < max(DEPTHS):
        raise SystemExit(f"{options.images}: {len(images)} JPEGs; more than {max(DEPTHS) * 3} are needed")
    parts = Parts.open(options.threads)
    maps = np.concatenate([parts.encode(parts.decode(data))[2] for data in images[: max(DEPTHS) + 1]])
    pairs = np.concatenate([parts.encode(parts.decode(data))[1] for data in images[1 : max(DEPTHS) + 1]])
    if "matchers" in options.parts:
        compare_matchers(parts, maps, pairs, options.threads)
        compare_tails(parts, maps, pairs, options.threads)
    if "queries" not in options.parts:
        return
    with tempfile.TemporaryDirectory() as folder:
        compare_queries(parts, Path(folder), images, options.size, options.queries)


@dataclass(frozen=True, slots=True)
class Parts:
    """The bundle's graphs, bare. scale, shift: (3, 1, 1) of the normalisation."""

    encoder: ort.InferenceSession
    query_half: ort.InferenceSession
    tail: ort.InferenceSession
    scale: NDArray[np.float32]
    shift: NDArray[np.float32]

    @classmethod
    def open(cls, threads: int) -> Parts:
        """As the service opens them."""
        card = read_bundle(BUNDLE)
        encoder, half, tail = (
            open_session(BUNDLE / name, threads) for name in ("encoder.onnx", "query_half.onnx", "tail.onnx")
        )
        if card.normalisation is None:
            raise SystemExit("the bundle normalises nothing")
        mean, std = (np.array(values)[:, None, None] for values in (card.normalisation.mean, card.normalisation.std))
        return cls(encoder, half, tail, (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32))

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        """A JPEG of about 256 x 256 pixels, as (128, 128, 3)."""
        picture = Image.fromarray(simplejpeg.decode_jpeg(data, "RGB"))
        return np.asarray(picture.resize((128, 128), Image.Resampling.BILINEAR, reducing_gap=2.0))

    def encode(self, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """embedding (1, D), pair (1, P) uint8, map (1, C, h, w)."""
        tile = pixels.transpose(2, 0, 1) * self.scale + self.shift
        found: list[NDArray[np.float32]] = self.encoder.run(["embedding", "pair", "map"], {"tiles": tile[np.newaxis]})
        return found

    def half(self, map_: NDArray[np.float32]) -> NDArray[np.float32]:
        """(1, P)."""
        found: NDArray[np.float32] = self.query_half.run(["half"], {"map": map_})[0]
        return found

    def logits(self, half: NDArray[np.float32], pairs: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(M, 2)."""
        found: NDArray[np.float32] = self.tail.run(["logits"], {"half": half, "pair": pairs})[0]
        return found


def measure_neighbours() -> None:
    """The neighbourhood overlap of one query, by dimension and number of candidates, with random vectors around a direction."""
    random = np.random.default_rng(0)
    rows = []
    for dimension in (128, 512):
        for depth in (100, 200, 500):
            vectors = random.normal(size=(depth + 1, dimension)) + 2 * random.normal(size=(1, dimension))
            vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
            spent = [_spent(partial(neighbour_overlap, vectors[0], vectors[1:])) for _ in range(3 * ROUNDS)]
            rows.append([str(dimension), str(depth), f"{np.median(spent):.2f}"])
    print_table("Neighbourhood overlap of one query", ["dimension", "candidates", "p50 ms"], rows)


def compare_matchers(parts: Parts, maps: NDArray[np.float32], pairs: NDArray[np.uint8], threads: int) -> None:
    """The split matcher and the naive one, by depth. maps: (1 + M, C, h, w), the query's first. pairs: (M, P)."""
    bundle = read_networks(BUNDLE)
    if bundle.matcher is None or not isinstance(bundle.matcher.network, SplitMatcher):
        raise SystemExit("the bundle has no split matcher")
    network = bundle.matcher.network
    with tempfile.TemporaryDirectory() as folder:
        export_naive(network, Path(folder) / "naive.onnx")
        naive = open_session(Path(folder) / "naive.onnx", threads)
    rows = []
    for depth in DEPTHS:
        query, candidates, stored = maps[:1], np.ascontiguousarray(maps[1 : depth + 1]), pairs[:depth]

        def run_naive(query: NDArray[np.float32] = query, candidates: NDArray[np.float32] = candidates) -> NDArray[np.float32]:
            logits: NDArray[np.float32] = naive.run(["logits"], {"query": query, "candidates": candidates})[0]
            return logits

        def run_split(query: NDArray[np.float32] = query, stored: NDArray[np.uint8] = stored) -> NDArray[np.float32]:
            return parts.logits(parts.half(query), stored)

        whole, bytes_ = (logits[:, 1] - logits[:, 0] for logits in (run_naive(), run_split()))
        exact = np.abs(whole - split_log_odds(network, query, candidates)).max()
        slow, fast = alternate(run_naive, run_split)
        ratio = np.median(slow / fast)
        errors = [f"{exact:.1e}", f"{np.abs(whole - bytes_).max():.2f}"]
        rows.append([f"{depth}", f"{np.median(slow):.2f}", f"{np.median(fast):.2f}", f"{ratio:.1f}", *errors])
    columns = ["candidates", "naive ms", "split ms", "naive / split", "largest difference", "as bytes"]
    print_table(f"Log-odds of one query and its candidates, {threads} threads", columns, rows)


def compare_tails(parts: Parts, maps: NDArray[np.float32], pairs: NDArray[np.uint8], threads: int) -> None:
    """The tail of the bundle and that of a correlation matcher of 36 places, by depth. The latter's time does not depend on its
    weights, so it is not trained. maps: (1 + M, C, h, w). pairs: (M, P)."""
    network = CorrelationMatcher((112, 6, 6)).eval()
    generator = torch.Generator().manual_seed(0)
    network.fit_projection(torch.randn(64, 112, 6, 6, generator=generator))
    with torch.no_grad():
        halves = network.candidate_half(torch.randn(max(DEPTHS), 112, 6, 6, generator=generator))
    stored = fit_quantisation(halves)
    half, bytes_ = halves[:1].flatten(1).numpy(), quantise(halves, stored).flatten(1).numpy()
    with tempfile.TemporaryDirectory() as folder:
        export_matcher(Path(folder), QuantisedMatcher(network, stored))
        tail = open_session(Path(folder) / "tail.onnx", threads)
    own = parts.half(maps[:1])
    rows = []
    for depth in DEPTHS:

        def run_present(depth: int = depth) -> object:
            return parts.logits(own, pairs[:depth])

        def run_correlation(depth: int = depth) -> object:
            return tail.run(["logits"], {"half": half, "pair": bytes_[:depth]})

        present, correlation = alternate(run_present, run_correlation)
        ratio = np.median(correlation / present)
        rows.append([f"{depth}", f"{np.median(present):.2f}", f"{np.median(correlation):.2f}", f"{ratio:.1f}"])
    columns = ["candidates", "bundle ms", "correlation ms", "correlation / bundle"]
    print_table(f"Tails of matchers, {threads} threads", columns, rows)


def alternate(one: Callable[[], object], other: Callable[[], object]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Milliseconds of both, (R,) each: round by round in turn, the best of three within a round."""
    spent = np.array([[min(_spent(each) for _ in range(3)) for each in (one, other)] for _ in range(ROUNDS + 1)])
    return spent[1:, 0], spent[1:, 1]


def compare_queries(parts: Parts, home: Path, images: Sequence[bytes], size: int, queries: int) -> None:
    """A query by upload over HTTP compared with its bare parts."""
    fill(home, COLLECTION, "dyad-rgb-128", size)
    shard_folder = next((home / "vectors").glob("*/shard"))
    shutil.copytree(shard_folder, home / "bare")
    shard = edge.EdgeShard.load(str(home / "bare"))
    bare: dict[str, list[float]] = {name: [] for name in ("decode", "encode", "query", "tail")}
    served: list[float] = []
    stages: list[dict[str, float]] = []
    with ServeProcess(home) as service:
        connection = HTTPConnection(service.url.removeprefix("http://"))
        ask_service(connection, images[0])
        for start in range(0, queries + BLOCK, BLOCK):
            block = [images[number % len(images)] for number in range(start, start + BLOCK)]
            is_warm = start > 0
            for data in block:
                times = bare_query(parts, shard, data)
                for name, ms in times.items() if is_warm else ():
                    bare[name].append(ms)
            for data in block:
                answer, ms = ask_service(connection, data)
                if is_warm:
                    served.append(ms)
                    stages.append(answer["timings_ms"])
    total = np.sum([np.array(times) for times in bare.values()], axis=0)
    p50, p99 = np.percentile(served, (50, 99))
    rows = [[name, f"{np.median(times):.2f}"] for name, times in bare.items()]
    rows += [["sum of the bare parts", f"{np.median(total):.2f}"], ["HTTP", f"{p50:.2f}"], ["HTTP, p99", f"{p99:.2f}"]]
    rows += [["HTTP / sum", f"{p50 / np.median(total):.2f}"]]
    rows += [[f"within: {name}", f"{np.median([each[name] for each in stages]):.2f}"] for name in stages[0]]
    print_table(f"Query by upload, {size:,} tiles, {DEPTH} re-ranked, limit {LIMIT}", ["what", "p50 ms"], rows)


def bare_query(parts: Parts, shard: edge.EdgeShard, data: bytes) -> dict[str, float]:
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


def _spent(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1000


if __name__ == "__main__":
    main()
