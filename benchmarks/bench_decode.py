"""Throughput from JPEG files to model input: with threads, as in ingest, with processes, and with decoders alone.

python benchmarks/bench_decode.py [--data ../shared/data] [--classes 5] [--rounds 5] [--cores N]

Real images of 256 px, their bytes in memory. *As ingest*: header checks, decoding, resizing to 128 px, as `read_query` does
it; by processes every tile comes back through a pipe, as it would have to. *Bare*: decoding alone, at full size. torchvision's
decoder is measured where torchvision is installed. The methods alternate by round; results are medians.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.domain.collections import Scaling
from app.imagery.tiling.tiler import CutSpec, read_query
from benchmarks._imagery import DATA, images_of
from benchmarks._table import machine_line, print_table

ROOT = Path(__file__).parents[1]
CHUNK = 16
"""Files that a worker takes at a time: a message a file would cost more than the file."""
SIDE = 128
SPEC = CutSpec(256, 256, None, 3, Scaling(), SIDE, 10**8)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--classes", type=int, default=5, help="folders of 100 images")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    files = [path.read_bytes() for path in images_of(options.data, options.classes)]
    cores = options.cores
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(cores) as threads, processes(cores) as others:
        ways: dict[str, Callable[[], float]] = {
            "as ingest, 1 thread": partial(rate, one, as_ingest, files),
            f"as ingest, {cores} threads": partial(rate, threads, as_ingest, files),
            f"as ingest, {cores} processes": partial(rate, others, as_ingest, files),
            f"bare simplejpeg, {cores} threads": partial(rate, threads, by_simplejpeg, files),
            f"bare Pillow, {cores} threads": partial(rate, threads, by_pillow, files),
        }
        if find_spec("torchvision") is not None:
            ways[f"bare torchvision, {cores} threads"] = partial(rate, threads, torchvision_decoder(), files)
        found: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(options.rounds + 1):
            for name, way in ways.items():
                speed = way()
                if number:  # the first round warms up
                    found[name].append(speed)
    base = found[f"as ingest, {cores} threads"]
    rows = []
    for name, speeds in found.items():
        ratio = statistics.median(own / other for own, other in zip(speeds, base, strict=True))
        rows.append([name, f"{statistics.median(speeds):,.0f}", f"{ratio:.2f}"])
    print(machine_line())
    print_table(
        f"{len(files)} JPEGs of 256 px, medians of {options.rounds}",
        ["method", "images/s", "relative to ingest's threads"],
        rows,
    )


def processes(count: int) -> ProcessPoolExecutor:
    """A pool of fresh ones."""
    return ProcessPoolExecutor(count, get_context("spawn"))


def rate(pool: Executor, decode: Callable[[Sequence[bytes]], object], files: Sequence[bytes]) -> float:
    """Images a second."""
    parts = [files[start : start + CHUNK] for start in range(0, len(files), CHUNK)]
    begun = time.perf_counter()
    for _ in pool.map(decode, parts):
        pass
    return len(files) / (time.perf_counter() - begun)


def as_ingest(files: Iterable[bytes]) -> NDArray[np.uint8]:
    """(N, S, S, 3) uint8."""
    return np.stack([read_query(data, SPEC) for data in files])


def by_simplejpeg(files: Iterable[bytes]) -> None:
    """Decoded, and forgotten."""
    for data in files:
        simplejpeg.decode_jpeg(data)


def by_pillow(files: Iterable[bytes]) -> None:
    """Decoded, and forgotten."""
    for data in files:
        Image.open(io.BytesIO(data)).load()


def torchvision_decoder() -> Callable[[Iterable[bytes]], None]:
    """The same with torchvision."""
    import torch
    from torchvision.io import decode_jpeg

    torch.set_num_threads(1)

    def decode(files: Iterable[bytes]) -> None:
        for data in files:
            decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8))

    return decode


if __name__ == "__main__":
    main()
