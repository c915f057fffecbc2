"""Computes the memory, disk, shards and nodes that a Qdrant cluster needs; each step has its formula and source."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from app.errors import InvalidInput

DIMENSION, FEATURE, PAIR = 256, 384, 2016
"""Values per tile of the bundled default model."""
FIELDS_ON_DISK = 670
"""Bytes per tile of the indexed fields (place, time, labels, source) on disk; `benchmarks/bench_million.py`."""
FIELDS_IN_MEMORY = 670
"""Bytes per tile of ids and fields in memory; `benchmarks/bench_million.py`."""
GRAPH = 300
"""Bytes per tile of the graph (m 16) with its links for filters, a mapped file that a search needs in memory.

Estimated: three times the 92 bytes measured with m 4 and 200 000 tiles; with 20 000 tiles m 16 takes three times as
much as m 4.
"""
RECORD = 660
"""Bytes per tile of a record without `feature` and `pair`, as the engine stores it; `benchmarks/bench_million.py`."""
GROWTH = 1.5
USABLE = 0.8
SHARDS_A_NODE = 2
NODES_WITH_REDUNDANCY = 3

MEASURED = "measured with 200 000 tiles: benchmarks/bench_million.py"
GRAPH_SOURCE = "estimated from a thinner graph of 200 000 tiles: app/cluster/plan.py"
GROWTH_SOURCE = "qdrant.tech/documentation/capacity-planning: metadata, and temporary segments while it optimizes"
USABLE_SOURCE = "chosen: the rest is for the page cache and for optimizing"
SHARDS_SOURCE = "github.com/qdrant/skills, horizontal scaling: 2 to 4 per node, counting copies"
NODES_SOURCE = "qdrant.tech/documentation/guides/distributed_deployment: three nodes and two copies survive the loss of one"


@dataclass(frozen=True, slots=True)
class Need:
    """Input of a plan; the defaults are those of the bundled default model.

    node_memory, node_disk: bytes of one node. feature, pair: values stored for each tile; 0 for none.
    """

    tiles: int
    dimension: int = DIMENSION
    feature: int = FEATURE
    pair: int = PAIR
    replicas: int = 2
    is_on_disk: bool = True
    node_memory: int = 128 * 10**9
    node_disk: int = 4 * 10**12


@dataclass(frozen=True, slots=True)
class Line:
    """One step. amount: in `unit`."""

    what: str
    formula: str
    amount: int
    source: str = ""
    unit: str = "bytes"


@dataclass(frozen=True, slots=True)
class Plan:
    """The result. memory, disk: bytes of the whole cluster with all copies."""

    lines: list[Line]
    memory: int
    disk: int
    shards: int
    nodes: int
    settings: dict[str, str]


def plan(need: Need) -> Plan:
    """Compute a plan.

    Raises:
        InvalidInput: a number is out of range.
    """
    if min(need.tiles, need.dimension, need.replicas, need.node_memory, need.node_disk) < 1 or min(need.feature, need.pair) < 0:
        raise InvalidInput(
            "tiles, dimension, replicas, node memory and node disk must be at least 1, feature and pair at least 0"
        )
    memory, memory_lines = _memory(need)
    disk, disk_lines = _disk(need)
    by_memory, by_disk = ceil(memory / (need.node_memory * USABLE)), ceil(disk / (need.node_disk * USABLE))
    least = NODES_WITH_REDUNDANCY if need.replicas > 1 else 1
    nodes = max(by_memory, by_disk, least)
    shards = nodes * max(1, ceil(SHARDS_A_NODE / need.replicas))
    usable = f"({human(need.node_memory)} x {USABLE})", f"({human(need.node_disk)} x {USABLE})"
    lines = [
        *memory_lines,
        *disk_lines,
        Line("nodes for memory", f"{human(memory)} / {usable[0]}", by_memory, USABLE_SOURCE, "nodes"),
        Line("nodes for disk", f"{human(disk)} / {usable[1]}", by_disk, USABLE_SOURCE, "nodes"),
        Line("nodes", f"the most of {by_memory}, {by_disk} and {least}", nodes, NODES_SOURCE, "nodes"),
        Line("shards", f"{nodes} nodes x {shards // nodes}, {need.replicas} copies of each", shards, SHARDS_SOURCE, "shards"),
    ]
    settings = {
        "DYAD_QDRANT_SHARDS": str(shards),
        "DYAD_QDRANT_REPLICAS": str(need.replicas),
        "DYAD_QDRANT_QUANTIZATION": "int8",
        "DYAD_QDRANT_ON_DISK": str(need.is_on_disk).lower(),
    }
    return Plan(lines, memory, disk, shards, nodes, settings)


def _memory(need: Need) -> tuple[int, list[Line]]:
    n = grouped(need.tiles)
    small, graph, rest = need.tiles * need.dimension, need.tiles * GRAPH, need.tiles * FIELDS_IN_MEMORY
    real = 0 if need.is_on_disk else 4 * small
    total = round((small + real + graph + rest) * GROWTH) * need.replicas
    parts = " + ".join(human(part) for part in (small, real, graph, rest) if part)
    lines = [
        Line("int8 vectors", f"{n} x {need.dimension} x 1 byte", small, "DYAD_QDRANT_QUANTIZATION=int8"),
        Line("graph", f"{n} x {GRAPH} bytes", graph, GRAPH_SOURCE),
        Line("ids, fields", f"{n} x {FIELDS_IN_MEMORY} bytes", rest, MEASURED),
        Line("memory", f"({parts}) x {GROWTH} x {need.replicas} copies", total, GROWTH_SOURCE),
    ]
    if real:
        lines.insert(1, Line("original vectors", f"{n} x {need.dimension} x 4 bytes", real, "DYAD_QDRANT_ON_DISK=false"))
    return total, lines


def _disk(need: Need) -> tuple[int, list[Line]]:
    n = grouped(need.tiles)
    vectors, fields = need.tiles * need.dimension * 5, need.tiles * (GRAPH + FIELDS_ON_DISK)
    of_record = RECORD + _base64(2 * need.feature) + _base64(need.pair)
    records = need.tiles * of_record
    total = round((vectors + fields + records) * GROWTH) * need.replicas
    parts = " + ".join(human(part) for part in (vectors, fields, records))
    kept = f"{RECORD}, {need.feature} float16 and {need.pair} uint8 as base64"
    return total, [
        Line("vectors on disk", f"{n} x {need.dimension} x (4 + 1) bytes", vectors, "float32 and int8"),
        Line("graph, fields on disk", f"{n} x ({GRAPH} + {FIELDS_ON_DISK}) bytes", fields, MEASURED),
        Line("records on disk", f"{n} x {of_record} bytes ({kept})", records, f"{MEASURED}; docs/architecture.md"),
        Line("disk", f"({parts}) x {GROWTH} x {need.replicas} copies", total, GROWTH_SOURCE),
    ]


def _base64(count: int) -> int:
    return 4 * ceil(count / 3)


def grouped(number: int) -> str:
    """Format a number with spaces between thousands: `1 000 000`."""
    return f"{number:,}".replace(",", " ")


def human(count: float) -> str:
    """Format bytes in powers of ten with three digits: `1.21 TB`."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.4g} PB"
