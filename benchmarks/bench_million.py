"""Many vectors in the embedded store: speed of insertion, size, and latency and recall of searches.

python benchmarks/bench_million.py [--tiles 1000000] [--queries 200] [--folder FOLDER [--only STEP]]

Clustered random 128-d vectors with a place, a time and labels each. First the store as Dyad serves it, which looks at every
qualifying tile. Then the same shard with the graph and the int8 vectors that Dyad asks of a Qdrant server, searched with the
parameters that it sends there; recall is against exact answers. The size of a tile is reported by part, for
`dyad cluster plan`. The folder needs 12 GB per million; in memory (/dev/shm) the disk does not matter. A given --folder is
kept, so that the steps can be run one at a time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.domain.places.geometry import bbox_footprint
from app.domain.tiles import Embeddings, Tile
from app.stores.vectors.conditions import EVERYTHING, AnyOf, Between, During, PointIn, Where
from app.stores.vectors.edge.edge_index import _filter
from app.stores.vectors.edge.edge_store import EdgeVectorStore
from app.stores.vectors.qdrant.options import QdrantOptions
from benchmarks._process_memory import ANONYMOUS, resident
from benchmarks._table import machine_line, print_table

D = 128
LIMIT = 10
INDEX = "million.synthetic.1"
START = datetime(2020, 1, 1, tzinfo=UTC)
FILTERS = {
    "none": EVERYTHING,
    "place, a quarter": Where(must=(PointIn("center", -90, -45, 90, 45),)),
    "place, 1 %": Where(must=(PointIn("center", 10, 10, 45, 25),)),
    "label, a third": Where(must=(AnyOf("labels", ("common 1",)),)),
    "label, 1 %": Where(must=(AnyOf("labels", ("rare 7",)),)),
    "time, a tenth": Where(must=(During("datetime", "2020-01-01T00:00:00Z", "2020-02-06T00:00:00Z"),)),
    "label and time": Where(must=(AnyOf("labels", ("common 1",)), During("datetime", None, "2020-04-01T00:00:00Z"))),
    "north of 60": Where(must=(Between("south", 60, None),)),
}
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Bench:
    """One shard, and beside it what each step has found so far."""

    folder: Path
    tiles: int
    queries: int

    @property
    def shard(self) -> Path:
        """Where it lies."""
        return self.folder / INDEX / "shard"

    def steps(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """In their order; each returns what is to be remembered."""
        return {"fill": self.fill, "exact": self.exact, "optimize": self.optimize, "graph": self.graph}

    def run(self, name: str) -> None:
        """One step."""
        (self.folder / f"{name}.json").write_text(json.dumps(self.steps()[name]()))

    def found(self, name: str) -> dict[str, Any] | None:
        """What a step returned, None if it has not been run."""
        path = self.folder / f"{name}.json"
        return json.loads(path.read_bytes()) if path.exists() else None

    def fill(self) -> dict[str, Any]:
        """Write the tiles."""
        seconds = fill(self.folder, made_up(self.tiles, self.queries)[0])
        return {"seconds": seconds, "bytes": taken(self.shard)}

    def exact(self) -> dict[str, Any]:
        """Look at every qualifying tile."""
        shard = edge.EdgeShard.load(str(self.shard))
        asked = made_up(self.tiles, self.queries)[1]
        exactly = edge.SearchParams(exact=True)
        found = {name: searched(shard, asked, where, exactly) for name, where in FILTERS.items()}
        counts = {name: shard.count(edge.CountRequest(filter=_filter(where), exact=True)) for name, where in FILTERS.items()}
        shard.close()
        return {"found": found, "counts": counts}

    def optimize(self) -> dict[str, Any]:
        """Build the graph and the int8 vectors."""
        started = time.perf_counter()
        shard = edge.EdgeShard.load(str(self.shard), config())
        shard.optimize()
        shard.flush()
        shard.close()
        return {"seconds": time.perf_counter() - started, "bytes": taken(self.shard)}

    def graph(self) -> dict[str, Any]:
        """Search as a server is asked to, and without its help for filters."""
        shard = edge.EdgeShard.load(str(self.shard), config())
        asked = made_up(self.tiles, self.queries)[1]
        found = {name: searched(shard, asked, where, as_sent(where)) for name, where in FILTERS.items()}
        bare = {name: searched(shard, asked, where, edge.SearchParams(hnsw_ef=128)) for name, where in FILTERS.items()}
        shard.close()
        return {"found": found, "bare": bare}

    def show(self) -> None:
        """What is known by now."""
        rows = []
        for title, step in (("as Dyad serves it", "fill"), ("with graph and int8", "optimize")):
            if found := self.found(step):
                sizes = [f"{size / self.tiles:,.0f}" for size in found["bytes"].values()]
                rows.append([title, *sizes, f"{self.tiles / found['seconds']:,.0f}"])
        columns = ["", "anonymous memory, B a tile", "disk, B a tile", "fields on disk", "records", "tiles/s"]
        print_table(f"{self.tiles:,} tiles", columns, rows)
        exact, graph = self.found("exact"), self.found("graph")
        if exact is None:
            return
        rows = []
        for name, count in exact["counts"].items():
            runs = [run["found"][name] for run in (exact, graph) if run is not None]
            times = [f"{value:.1f}" for _, each in runs for value in np.percentile(each, (50, 99))]
            others = [] if graph is None else [graph["found"][name][0], graph["bare"][name][0]]
            recalls = [f"{recall(exact['found'][name][0], other):.3f}" for other in others]
            rows.append([name, f"{count / self.tiles:.1%}", *times, *recalls])
        columns = ["filter", "qualify", "exact p50", "p99", "graph p50", "p99", f"recall@{LIMIT}", "without help"]
        print_table(f"A search, milliseconds; {self.queries} queries", columns[: len(rows[0])], rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiles", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="work folder, which is kept (default: a temporary folder)")
    parser.add_argument(
        "--only", choices=["fill", "exact", "optimize", "graph"], help="run one step, on the results of the previous steps"
    )
    parser.add_argument("--weigh", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.weigh is not None:
        print(weigh(options.weigh))
        return
    if options.only is not None and options.folder is None:
        parser.error("--only works in a --folder")
    print(machine_line())
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(options.folder or Path(scratch), options.tiles, options.queries)
        bench.folder.mkdir(parents=True, exist_ok=True)
        for name in bench.steps():
            if options.only in (None, name):
                bench.run(name)
        bench.show()


def made_up(tiles: int, queries: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(N, D) and (Q, D) float32, L2-normalised, around 1 000 centres."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((1000, D), np.float32)

    def around(count: int) -> NDArray[np.float32]:
        rows = centres[random.integers(0, len(centres), count)] + random.standard_normal((count, D), np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows

    return around(tiles), around(queries)


def tile_at(number: int, random: np.random.Generator) -> Tile:
    """A record like those of scenes."""
    lon, lat = random.uniform(-180, 179.9), random.uniform(-89, 89)
    source = f"scenes/{number // 1000}.tif"
    return Tile(
        id=str(UUID(int=int(random.integers(0, 2**63)) << 64 | number)),
        source=source,
        file_name=source.rsplit("/", maxsplit=1)[-1],
        content_hash=f"{number:064x}",
        image=f"collections/million/images/{number}.tif",
        indexed_at=START,
        geometry=bbox_footprint([lon, lat, lon + 0.01, lat + 0.01]),
        datetime=START + timedelta(minutes=int(random.integers(0, 525_600))),
        labels=(f"common {random.integers(0, 3)}", f"rare {random.integers(0, 100)}"),
    )


def fill(folder: Path, vectors: NDArray[np.float32]) -> float:
    """Seconds that the store took to write the tiles, without making them up."""
    store = EdgeVectorStore(folder)
    store.create_index(INDEX, D)
    random = np.random.default_rng(1)
    seconds = 0.0
    for start in range(0, len(vectors), _BATCH):
        tiles = [tile_at(number, random) for number in range(start, min(start + _BATCH, len(vectors)))]
        started = time.perf_counter()
        store.upsert(INDEX, tiles, Embeddings(vectors[start : start + _BATCH]))
        seconds += time.perf_counter() - started
    started = time.perf_counter()
    store.flush(INDEX)
    store.close()
    return seconds + time.perf_counter() - started


def config() -> edge.EdgeConfig:
    """What Dyad asks of a server."""
    options = QdrantOptions()
    return edge.EdgeConfig(
        vectors={"": edge.EdgeVectorParams(size=D, distance=edge.Distance.Cosine)},
        hnsw_config=edge.HnswIndexConfig(options.hnsw_m, options.hnsw_ef_construct, 10_000),
        quantization_config=edge.ScalarQuantizationConfig(edge.ScalarType.Int8, quantile=0.99, always_ram=True),
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=1000, default_segment_number=2),
    )


def as_sent(where: Where) -> edge.SearchParams:
    """The parameters that a server would be sent, were the tiles too many for exact search."""
    sent = QdrantOptions().by_graph(LIMIT, is_filtered=where != EVERYTHING)
    small = sent.quantization
    return edge.SearchParams(
        hnsw_ef=sent.hnsw_ef,
        quantization=None if small is None else edge.QuantizationSearchParams(False, small.rescore, small.oversampling),
        acorn=None if sent.acorn is None else edge.AcornSearchParams(True, sent.acorn.max_selectivity),
    )


def searched(
    shard: edge.EdgeShard, queries: NDArray[np.float32], where: Where, params: edge.SearchParams
) -> tuple[list[list[str]], list[float]]:
    """Ids found and milliseconds, a query each."""
    ids, times = [], []
    for query in queries:
        request = edge.SearchRequest(edge.Query.Nearest(query.tolist()), LIMIT, filter=_filter(where), params=params)
        started = time.perf_counter()
        found = shard.search(request)
        times.append(1000 * (time.perf_counter() - started))
        ids.append([str(point.id) for point in found])
    return ids, times


def recall(sought: Sequence[Sequence[str]], found: Sequence[Sequence[str]]) -> float:
    """Mean share of the exact answer that was found."""
    return float(np.mean([len(set(each) & set(other)) / max(1, len(each)) for each, other in zip(sought, found, strict=True)]))


def taken(path: Path) -> dict[str, int]:
    """Bytes: anonymous memory of a process that opens the shard; disk in all, of indexed fields and of records."""
    command = [sys.executable, __file__, "--weigh", str(path)]
    parts = dict.fromkeys(["memory", "disk", "payload_index", "payload_storage"], 0)
    parts["memory"] = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    for file in path.rglob("*"):
        if file.is_file() and "wal" not in file.relative_to(path).parts:
            size = file.stat().st_blocks * 512
            for name in ("disk", *({"payload_index", "payload_storage"} & set(file.parts))):
                parts[name] += size
    return parts


def weigh(path: Path) -> int:
    """Anonymous memory that an open shard adds to this process, bytes."""
    before = resident("self", ANONYMOUS)
    shard = edge.EdgeShard.load(str(path))
    after = resident("self", ANONYMOUS)
    shard.close()
    return after - before


if __name__ == "__main__":
    main()
