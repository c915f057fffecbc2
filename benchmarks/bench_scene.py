"""`dyad index` of one large scene: tiles a second and peak memory.

python benchmarks/bench_scene.py [--side 20000] [--tile-size 256] [--model dyad-rgb]

The scene is a cloud-optimised GeoTIFF of smooth noise, JPEG-compressed as aerial imagery is. *Bare* is the model alone on
decoded tiles, in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.shutil import copy
from rasterio.transform import from_origin

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.domain.models import DEFAULT_MODEL
from app.inference.local_models import BUNDLED
from app.inference.onnx import OnnxInference
from benchmarks._process_memory import PEAK, resident
from benchmarks._table import machine_line, print_table
from tests.support.process import COMMAND, ROOT, environment

STRIP = 1_000
BATCH, BARE_TILES = 32, 960


def main() -> None:
    """Make the scene, index it, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=20_000, help="pixels per side, a multiple of 1000")
    parser.add_argument("--tile-size", type=int, default=256)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scene = make_scene(Path(folder), options.side)
        print(f"{scene.stat().st_size / 1e6:.0f} MB", file=sys.stderr)
        tiles, megabytes, seconds = index(Path(folder), scene, options.tile_size, options.model)
    bare = bare_rate(options.model)
    print(machine_line())
    row = [
        f"{tiles:,}",
        f"{seconds:.0f}",
        f"{tiles / seconds:.0f}",
        f"{bare:.0f}",
        f"{tiles / seconds / bare:.2f}",
        f"{megabytes:.0f}",
    ]
    columns = ["tiles", "seconds", "tiles/s", "bare tiles/s", "relative to bare", "peak MiB"]
    print_table(f"A COG of {options.side:,} x {options.side:,} px, {options.model}", columns, [row])


def make_scene(folder: Path, side: int) -> Path:
    """Write the scene."""
    plain, scene = folder / "plain.tif", folder / "scene.tif"
    random = np.random.default_rng(0)
    profile = {
        "driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint8", "crs": "EPSG:32614",
        "transform": from_origin(500_000, 5_200_000, 1, 1), "tiled": True, "BIGTIFF": "YES",
    }  # fmt: skip
    with rasterio.open(plain, "w", **profile) as target:
        for top in range(0, side, STRIP):
            window = rasterio.windows.Window(0, top, side, STRIP)
            target.write(smooth_noise(random, STRIP, side), window=window)
    copy(plain, scene, driver="COG", compress="JPEG", quality=90)
    plain.unlink()
    return scene


def smooth_noise(random: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """(3, height, width) uint8: noise of three scales."""
    total = np.zeros((3, height, width), np.float32)
    for scale, weight in ((50, 60), (10, 40), (2, 20)):
        coarse = random.random((3, height // scale, width // scale), np.float32) * weight
        total += coarse.repeat(scale, axis=1).repeat(scale, axis=2)
    return np.clip(total + 40, 0, 255).astype(np.uint8)


def index(folder: Path, scene: Path, tile_size: int, model: str) -> tuple[int, float, float]:
    """Number of tiles, peak resident set in MiB and seconds of the command, with the start of its process."""
    out = folder / "out.json"
    options = ["--model", model, "--tile-size", str(tile_size), "--home", str(folder / "home"), "--json"]
    begun, peak = time.perf_counter(), 0.0
    with out.open("wb") as stream:
        process = subprocess.Popen(
            [*COMMAND, "index", "scene", str(scene), *options], cwd=ROOT, env=environment(), stdout=stream
        )
        while process.poll() is None:
            peak = max(peak, resident(process.pid, PEAK) / (1 << 20))
            time.sleep(0.1)
    seconds = time.perf_counter() - begun
    if process.returncode:
        raise SystemExit(f"dyad index ended with {process.returncode}")
    return json.loads(out.read_text())["indexed"], peak, seconds


def bare_rate(name: str) -> float:
    """Tiles a second of the model alone."""
    model = OnnxInference(BUNDLED / name, os.cpu_count() or 1)
    shape = (BATCH, model.card.input_size, model.card.input_size, len(model.card.bands))
    batch = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    model.embed(batch)
    begun = time.perf_counter()
    for _ in range(BARE_TILES // BATCH):
        model.embed(batch)
    seconds = time.perf_counter() - begun
    model.close()
    return BARE_TILES / seconds


if __name__ == "__main__":
    main()
