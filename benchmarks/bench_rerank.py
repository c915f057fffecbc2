"""Re-ranking: neighbourhoods, and the split matcher of `dyad-rgb-128` compared with the naive one.

python benchmarks/bench_rerank.py [--images FOLDER] [--parts ...] [--threads 2]

Naive: the maps of query and candidate, concatenated, through the whole network, from the same weights, on the same runtime.
Maps are those of the images. Rounds alternate, and every ratio is a median of ratios of one round. The naive matcher is made
with PyTorch (the extra `train`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.inference.local_models import BUNDLED
from benchmarks._bare_parts import BareParts
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
    kinds = ["neighbours", "matchers"]
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
    parts = BareParts.open(BUNDLE, options.threads)
    maps = np.concatenate([parts.encode(parts.decode(data))[2] for data in images[: max(DEPTHS) + 1]])
    pairs = np.concatenate([parts.encode(parts.decode(data))[1] for data in images[1 : max(DEPTHS) + 1]])
    compare_matchers(parts, maps, pairs, options.threads)
    compare_tails(parts, maps, pairs, options.threads)


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


def compare_matchers(parts: BareParts, maps: NDArray[np.float32], pairs: NDArray[np.uint8], threads: int) -> None:
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


def compare_tails(parts: BareParts, maps: NDArray[np.float32], pairs: NDArray[np.uint8], threads: int) -> None:
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


def _spent(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1000


if __name__ == "__main__":
    main()
