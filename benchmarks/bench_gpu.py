"""Utilisation of a GPU: images per second of the worker's `Inference` and of the training loop, by batch size.

    make bench-gpu [ARGS="--device cuda:0 --batches 1,8,32,128,256 --seconds 2 --rounds 5"]

One table, each row against a floor measured in the same run, the two alternating:

- from memory: uint8 tiles in this process's memory in, arrays out, through the port that workers use. Floor: the network's
  forward pass alone, in bf16 (where the device computes in it), on normalised tiles that lie on the device; of the ways to
  run it (plain, with folded batch norms, as a CUDA graph) the fastest.
- from JPEG: files of 256 px in memory, decoded and resized as ingest does it, by threads of one process and by a process a
  core, then embedded. Same floor.
- training: the training loop against a bare forward-backward loop over one ready batch (see bench_training.py).

Without a GPU everything runs on the CPU, with small sizes: such results only show that it works.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import simplejpeg
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.domain.collections import Scaling
from app.imagery.tiling.tiler import CutSpec, read_query
from app.inference.local_models import BUNDLED
from app.inference.onnx import OnnxInference
from benchmarks._imagery import DATA
from benchmarks._table import machine_line, print_table
from benchmarks.bench_training import loop_row
from models.bundle.card import ModelCard
from models.bundle.trained_card import TrainedCard
from models.export.write_bundle import read_bundle
from worker.torch_inference import TorchInference
from worker.torch_models import find_device
from worker.torch_network import TileNetwork, trunk_dtype
from worker.torch_runners import Mode

JPEG_SIDE = 256
CHUNK = 16
"""Files that a decoder takes at a time: a message a file would cost more than the file."""
ALIKE = 32
"""Tiles that the ways to embed are compared on."""
Row = tuple[str, ...]


def main() -> None:
    """Measure and print."""
    options = _options()
    device = find_device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU"
    print(f"{machine_line()}, torch {torch.__version__}, on {name} in {trunk_dtype(device)}, load {os.getloadavg()[0]:.1f}")
    if device.type != "cuda":
        print("No GPU is used: all results below are for the CPU and do not apply to a GPU.")
    card = read_bundle(options.bundle).card
    print(_likeness(options.bundle, device))
    rows = [*_embedding_rows(options, device), *_training_rows(options, device)]
    title = f"{card.id}, {card.input_size} px; batches of {options.batches}, medians of {options.rounds} rounds"
    print_table(title, ("what", "batch", "images/s", "floor, images/s", "of the floor"), rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--bundle", type=Path, default=BUNDLED / "dyad-rgb-128")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batches", help="batch sizes, separated by commas")
    parser.add_argument("--seconds", type=float, help="seconds per measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, help="number of tiles and files per pass")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)), help="cores for decoding")
    parser.add_argument("--no-compile", action="store_true", help="do not measure torch.compile, which needs a C compiler")
    options = parser.parse_args()
    is_gpu = find_device(options.device).type == "cuda"
    options.batches = [int(part) for part in (options.batches or ("1,8,32,64,128,256" if is_gpu else "1,8")).split(",")]
    options.seconds = options.seconds or (2.0 if is_gpu else 0.5)
    options.images = options.images or (4096 if is_gpu else 32)
    return options


def _embedding_rows(options: argparse.Namespace, device: torch.device) -> Iterator[Row]:
    modes: list[Mode] = ["eager"]
    if device.type == "cuda":
        modes += ["graphs"] if options.no_compile else ["graphs", "compile"]
    for batch in options.batches:
        floor = _floor(options, device, batch)
        for mode in modes:
            model = TorchInference(options.bundle, device, mode=mode, batch=batch)
            tiles = _tiles(model.card, max(batch, min(options.images, 16 * batch)))
            yield _row(f"from memory, {mode}", batch, _alternating(options, partial(_embed, model, tiles), floor))
    best: Mode = "graphs" if device.type == "cuda" else "eager"
    batch = options.batches[-1]
    model = TorchInference(options.bundle, device, mode=best, batch=batch)
    floor, files = _floor(options, device, batch), _jpegs(max(options.images, batch))
    pools: dict[str, Executor] = {
        f"{options.cores} threads": ThreadPoolExecutor(options.cores),
        f"{options.cores} processes": ProcessPoolExecutor(options.cores, get_context("spawn")),
    }
    for name, pool in pools.items():
        with pool:
            work = partial(_from_jpeg, model, files, pool, batch)
            yield _row(f"from JPEG, {name}", batch, _alternating(options, work, floor))


def _floor(options: argparse.Namespace, device: torch.device, batch: int) -> Callable[[], int]:
    """The quickest forward pass over a batch that lies on the device; each call runs it a few times and waits."""
    images: int = options.images
    dtype, repeats = trunk_dtype(device), max(1, min(images, 16 * batch) // batch)
    card = read_bundle(options.bundle).card
    shape = (batch, len(card.bands), card.input_size, card.input_size)
    planes = torch.randn(shape, device=device).to(dtype).to(memory_format=torch.channels_last)
    plain = read_bundle(options.bundle).encoder.trunk.to(device).to(dtype).to(memory_format=torch.channels_last)
    folded = TileNetwork(read_bundle(options.bundle), dtype).to(device).trunk
    ways: list[Callable[[], object]] = [lambda: plain(planes), lambda: folded(planes)]
    if device.type == "cuda":
        ways.append(_graph(folded, planes))

    def run(way: Callable[[], object]) -> int:
        with torch.inference_mode():
            for _ in range(repeats):
                way()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
        return repeats * batch

    for way in ways:
        run(way)
    rates = [_rate(partial(run, way), options.seconds / 2) for way in ways]
    quickest = ways[int(np.argmax(rates))]
    return lambda: run(quickest)


def _graph(network: torch.nn.Module, planes: Tensor) -> Callable[[], object]:
    with torch.inference_mode(), torch.backends.cudnn.flags(benchmark=True):
        stream = torch.cuda.Stream(planes.device)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(stream):
            for _ in range(3):
                network(planes)
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            network(planes)
    return graph.replay


def _embed(model: TorchInference, tiles: NDArray[np.uint8]) -> int:
    return len(model.embed(tiles))


def _from_jpeg(model: TorchInference, files: list[bytes], pool: Executor, batch: int) -> int:
    """Decode everything on the pool, and embed what has come as soon as it is a batch."""
    parts = [files[start : start + CHUNK] for start in range(0, len(files), CHUNK)]
    waiting: list[NDArray[np.uint8]] = []
    for tiles in pool.map(_decode, parts, [_spec(model.card)] * len(parts)):
        waiting.append(tiles)
        if sum(map(len, waiting)) >= batch:
            model.embed(np.concatenate(waiting))
            waiting = []
    if waiting:
        model.embed(np.concatenate(waiting))
    return len(files)


def _decode(files: list[bytes], spec: CutSpec) -> NDArray[np.uint8]:
    """(N, S, S, B) uint8, as ingest makes it of a file that is one tile."""
    return np.stack([read_query(data, spec) for data in files])


def _training_rows(options: argparse.Namespace, device: torch.device) -> Iterator[Row]:
    batch = 256 if device.type == "cuda" else 8
    settings = argparse.Namespace(
        device=str(device), width=48, size=128, batch=batch, rounds=max(1, options.rounds - 2), images=4 * batch,
        steps=16 if device.type == "cuda" else 1, clock="wall",
    )  # fmt: skip
    precision = "bf16" if trunk_dtype(device) == torch.bfloat16 else "fp32"
    with TemporaryDirectory() as folder:
        for preset in ("none", "robust") if device.type == "cuda" else ("robust",):
            name, bare, loop, ratio, *_ = loop_row(settings, Path(folder), precision, preset)
            yield f"training, {name}", str(batch), loop, bare, ratio


def _likeness(bundle: Path, device: torch.device) -> str:
    """How alike this port, the float32 weights and the bundle's graph embed the same tiles."""
    card = read_bundle(bundle).card
    tiles = _decode(_jpegs(ALIKE), _spec(card))
    made = TorchInference(bundle, device).embed(tiles).embedding
    graph = OnnxInference(bundle, os.cpu_count() or 1).embed(tiles).embedding
    with torch.inference_mode():
        exact = TileNetwork(read_bundle(bundle), torch.float32)(torch.from_numpy(tiles)).embedding.numpy()

    def similarity(one: NDArray[np.float32], other: NDArray[np.float32]) -> str:
        cosines = (one * other).sum(axis=1)
        return f"{np.median(cosines):.5f} ({cosines.min():.5f} at least)"

    return (
        f"cosine over {len(tiles)} tiles: here to float32 {similarity(made, exact)}; {card.precision} ONNX to float32 "
        f"{similarity(graph, exact)}; here to ONNX {similarity(made, graph)}"
    )


def _row(what: str, batch: int, measured: tuple[float, float, float]) -> Row:
    rate, floor, ratio = measured
    return what, str(batch), f"{rate:.0f}", f"{floor:.0f}", f"{ratio:.2f}"


def _alternating(options: argparse.Namespace, work: Callable[[], int], floor: Callable[[], int]) -> tuple[float, float, float]:
    """Medians of images/s, of the floor's, and of their ratio round by round; the first round warms up."""
    rates, floors = [], []
    for round_ in range(options.rounds + 1):
        pair = _rate(work, options.seconds), _rate(floor, options.seconds)
        if round_:
            rates.append(pair[0])
            floors.append(pair[1])
    ratio = statistics.median(one / other for one, other in zip(rates, floors, strict=True))
    return statistics.median(rates), statistics.median(floors), ratio


def _rate(work: Callable[[], int], seconds: float) -> float:
    """Images per second of work that says how many it did, repeated for about that long."""
    done, started = 0, time.perf_counter()
    while done == 0 or time.perf_counter() - started < seconds:
        done += work()
    return done / (time.perf_counter() - started)


def _spec(card: ModelCard | TrainedCard) -> CutSpec:
    return CutSpec(JPEG_SIDE, JPEG_SIDE, None, len(card.bands), Scaling(), card.input_size, 10**8)


def _tiles(card: ModelCard, count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, card.input_size, card.input_size, len(card.bands)), dtype=np.uint8)


def _jpegs(count: int) -> list[bytes]:
    """Photographs of UC Merced where the test data is there (DYAD_DATA), made-up textures elsewhere."""
    folder = DATA / "ucmerced"
    found = sorted(folder.glob("**/*.jpg"))
    found = found[:: max(1, len(found) // count)][:count]
    if found:
        return [found[number % len(found)].read_bytes() for number in range(count)]
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
    return [simplejpeg.encode_jpeg(tile.repeat(16, axis=0).repeat(16, axis=1), quality=90) for tile in coarse]


if __name__ == "__main__":
    main()
