"""Peak memory of `dyad index` by number of tiles, with a tiny model, so that the network's memory does not matter.

python benchmarks/bench_memory.py [--sizes 1000 10000 100000]

Each size is a folder of 16 x 16 PNGs, indexed into a fresh state folder by a process of its own; the figure is the largest
resident set that the system saw of it. Of that, the engine's memory-mapped files may be dropped by the system at any time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._table import machine_line, print_table
from tests.support.bundles import SIZE, tiny_graph, write_bundle
from tests.support.process import COMMAND, ROOT, environment

SIDE = SIZE
MODEL = "tiny"


def main() -> None:
    """Index every size and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    options = parser.parse_args()
    rows = []
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            megabytes, seconds = measure(Path(folder), size)
        rows.append([f"{size:,}", f"{megabytes:.0f}", f"{size / seconds:.0f}"])
        print(f"{size:,} tiles: {megabytes:.0f} MiB", file=sys.stderr)
    print(machine_line())
    print_table("Peak memory of dyad index", ["tiles", "MiB", "tiles/s"], rows)


def measure(folder: Path, size: int) -> tuple[float, float]:
    """Peak resident set in MiB, and seconds."""
    images = folder / "images"
    draw(images, size)
    write_bundle(folder / "home" / "models" / MODEL, tiny_graph(), id=MODEL)
    start = time.perf_counter()
    command = [*COMMAND, "index", "tiles", str(images), "--model", MODEL, "--home", str(folder / "home"), "--json"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"dyad index ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss / 1024, time.perf_counter() - start


def draw(folder: Path, size: int) -> None:
    """`size` PNGs of noise, a thousand to a folder."""
    random = np.random.default_rng(0)
    for number in range(size):
        path = folder / f"{number // 1000:03d}" / f"{number % 1000:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(path)


if __name__ == "__main__":
    main()
