"""Import of labels from a file: seconds for one row per tile, which is identified by id, by name or by location.

python benchmarks/bench_labels.py [--sizes 10000 100000] [--pair 4096]

For comparison, in the same run: reading and labelling every tile once, without a file.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.container import Container
from app.domain.naming.ids import tile_id
from app.domain.places.geometry import bbox_footprint
from app.domain.tiles import Embeddings, Tile
from app.settings import load_settings
from benchmarks._table import machine_line, print_table

COLLECTION = "synthetic"
DIMENSION = 54
COLUMNS = 400
SIDE = 0.01
CLASSES = 30
BATCH = 100


def main() -> None:
    """Measure every size and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--pair", type=int, default=4096, help="bytes of a tile's candidate features")
    options = parser.parse_args()
    rows: list[Sequence[str]] = []
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            rows += measure(Path(folder), size, options.pair)
    print(machine_line())
    print_table("One label for every tile, seconds", ["tiles", "identified by", "file MB", "seconds", "CPU seconds"], rows)


def measure(folder: Path, size: int, pair: int) -> list[Sequence[str]]:
    """The rows of one size."""
    container = Container(load_settings({}, home=folder / "home"))
    tiles = [tile(number) for number in range(size)]
    fill(container, tiles, pair)
    order = random.Random(0).sample(range(size), size)
    index = container.collections.live(COLLECTION).index
    rows = [timed(size, "nothing", 0, lambda: bare(container, index, [tiles[number].id for number in order]))]
    for name, text in files(tiles, order).items():
        path = folder / "labels"
        path.write_text(text)
        rows.append(timed(size, name, len(text), partial(container.labels.import_file, COLLECTION, path)))
    container.close()
    return rows


def files(tiles: Sequence[Tile], order: Sequence[int]) -> dict[str, str]:
    """A file of labels, other ones each, by what its rows name tiles by."""
    points = [centre(number) for number in order]
    features = [
        {"type": "Feature", "properties": {"label": f"e{at % CLASSES}"}, "geometry": {"type": "Point", "coordinates": point}}
        for at, point in enumerate(points)
    ]
    return {
        "id (CSV)": table("id", [f"{tiles[number].id},a{number % CLASSES}" for number in order]),
        "source (CSV)": table("source", [f"{tiles[number].source},b{number % CLASSES}" for number in order]),
        "file_name (CSV)": table("file_name", [f"{tiles[number].file_name},c{number % CLASSES}" for number in order]),
        "lon, lat (CSV)": table("lon,lat", [f"{x},{y},d{at % CLASSES}" for at, (x, y) in enumerate(points)]),
        "point (GeoJSON)": json.dumps({"type": "FeatureCollection", "features": features}),
    }


def table(columns: str, lines: Sequence[str]) -> str:
    """A CSV of labels."""
    return "\n".join((f"{columns},label", *lines))


def bare(container: Container, index: str, ids: Sequence[str]) -> None:
    """Read and label every tile."""
    for at in range(0, len(ids), BATCH):
        part = ids[at : at + BATCH]
        container.vectors.retrieve(index, part)
        container.vectors.set_labels(index, {item: (f"z{number % CLASSES}",) for number, item in enumerate(part)})
    container.vectors.flush(index)


def timed(size: int, name: str, length: int, work: Callable[[], object]) -> Sequence[str]:
    """A row of the table."""
    started, used = time.perf_counter(), time.process_time()
    work()
    return (
        str(size),
        name,
        f"{length / 1e6:.1f}",
        f"{time.perf_counter() - started:.1f}",
        f"{time.process_time() - used:.1f}",
    )


def centre(number: int) -> tuple[float, float]:
    """A place within a tile, near its centre."""
    return (number % COLUMNS + 0.4) * SIDE, (number // COLUMNS + 0.6) * SIDE


def tile(number: int) -> Tile:
    """One of many side by side, each from a file of its own."""
    x, y = number % COLUMNS * SIDE, number // COLUMNS * SIDE
    source = f"folder/{number}.jpg"
    return Tile(
        id=tile_id(COLLECTION, source, ""),
        source=source,
        file_name=f"{number}.jpg",
        content_hash="0" * 64,
        image=f"collections/{COLLECTION}/00/{number}.jpg",
        indexed_at=datetime.now(UTC),
        geometry=bbox_footprint([x, y, x + SIDE, y + SIDE]),
    )


def fill(container: Container, tiles: Sequence[Tile], pair: int) -> None:
    """Put the tiles into a new collection, with random vectors."""
    container.collections.create(COLLECTION, model="lbp-rgb")
    index = container.collections.live(COLLECTION).index
    generator = np.random.default_rng(0)
    for at in range(0, len(tiles), BATCH):
        part = tiles[at : at + BATCH]
        rows = generator.normal(size=(len(part), DIMENSION)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        halves = generator.integers(0, 256, (len(part), pair), dtype=np.uint8)
        container.vectors.upsert(index, part, Embeddings(rows, pair=halves))
    container.vectors.flush(index)


if __name__ == "__main__":
    main()
