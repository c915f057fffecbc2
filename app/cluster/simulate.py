"""Simulates a planned cluster at work: the hours of a re-index, and what searches cost by their filter.

Rates are measured on small indexes and extended by the stated formula; `assumed` marks what was not measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from statistics import NormalDist

from app.cluster.plan import Line, Need, Plan, human
from app.errors import InvalidInput
from app.settings import Settings

IMAGE = 13_800
"""Bytes of a tile as a JPEG of 256 x 256 px: the mean of 2 100 tiles of UC Merced."""
HEAD_RATE = 6_700
"""Tiles a second that a new head embeds again and writes, one process; `benchmarks/bench_train_head.py`."""
WRITE_RATE = 2_400
"""Points a second that one process writes into a store; `benchmarks/bench_million.py`."""
GRAPH_SECONDS, GRAPH_TILES = 84.0, 100_000
"""Processor seconds of a graph (m 16) with its links for filters, over so many tiles; docs/results.md."""
GRAPH_MS = 0.5
"""Milliseconds of a search of that graph."""
CALL_MS = 0.2
"""Milliseconds of a search of 1 000 tiles, which is the call and not the tiles; `benchmarks/bench_search.py`."""
ACORN = 3.0
"""Times as long as without a filter if less than 40 % of the tiles qualify: assumed, since ACORN follows links of links."""
ACORN_BELOW = 0.4
EXACT_BELOW: int = Settings.model_fields["qdrant_exact_below"].default
"""Qualifying tiles up to which all are compared."""
SPREAD = 0.17
"""Deviation of the logarithm of a shard's time: p99 / p50 = 1.5, as `benchmarks/bench_million.py` shows; log(1.5) / 2.33."""

TRAIN_HEAD_SOURCE = "measured, one process: benchmarks/bench_train_head.py"
WRITE_SOURCE = "measured, one process and one core: benchmarks/bench_million.py"
GRAPH_SOURCE = "measured with 100 000 tiles, extended by n log n: docs/results.md"
ASSUMED_SOURCE = "assumed; measure yours with make bench-gpu"


@dataclass(frozen=True, slots=True)
class Filter:
    """A kind of search. share: 0..1 of the tiles that qualify. microseconds: for each, measured in exact searches."""

    what: str
    share: float
    microseconds: float


FILTERS = (
    Filter("no filter", 1.0, 0.061),
    Filter("a third by label", 0.333, 0.18),
    Filter("a quarter by place", 0.253, 3.1),
    Filter("a tenth by time", 0.098, 0.23),
    Filter("a hundredth by label", 0.01, 0.15),
    Filter("one in 100 000 by place", 1e-5, 4.1),
)
"""Shares and times of `benchmarks/bench_million.py` at 1 000 000 tiles; the last one is a box around a town in a country."""


@dataclass(frozen=True, slots=True)
class Workers:
    """What works on the cluster. gpu_rate: tiles a second of one GPU. cores: processor cores of one node."""

    gpus: int = 8
    gpu_rate: float = 2_000
    cores: int = 16


@dataclass(frozen=True, slots=True)
class SearchCost:
    """A search on all shards. method: exact or graph. p50, p99: ms until the slowest shard has answered.

    processor: ms of all nodes together. rate: searches a second at which all cores are busy.
    """

    what: str
    qualify: int
    method: str
    p50: float
    p99: float
    processor: float
    rate: float


@dataclass(frozen=True, slots=True)
class Simulation:
    """reindex: its steps, in seconds and bytes. hours: of a whole re-index, and of one with a new head only."""

    reindex: list[Line]
    hours: float
    head_hours: float
    searches: list[SearchCost]


def simulate(need: Need, made: Plan, workers: Workers) -> Simulation:
    """Simulate the cluster of a plan.

    Raises:
        InvalidInput: a number is out of range.
    """
    if workers.gpus < 1 or workers.cores < 1 or workers.gpu_rate <= 0:
        raise InvalidInput("the numbers of GPUs and cores must be at least 1, the rate of a GPU above 0")
    lines, whole, head = _reindex(need, made, workers)
    return Simulation(lines, whole / 3600, head / 3600, [_search(need, made, workers, each) for each in FILTERS])


def _reindex(need: Need, made: Plan, workers: Workers) -> tuple[list[Line], float, float]:
    n, rate = need.tiles, workers.gpus * workers.gpu_rate
    copies = n * need.replicas / made.nodes
    embed, head = n / rate, n / (HEAD_RATE * workers.gpus)
    write = copies / WRITE_RATE
    shard = n / made.shards
    factor = max(log(shard) / log(GRAPH_TILES), 0.0) if shard > 1 else 0.0
    graph = copies / GRAPH_TILES * GRAPH_SECONDS * factor / workers.cores
    by_gpus, by_processes = f"({workers.gpus} GPUs x {workers.gpu_rate:g}/s)", f"({workers.gpus} processes x {HEAD_RATE}/s)"
    by_cores = f"{copies:.3g} / {GRAPH_TILES:.0e} x {GRAPH_SECONDS:g} s x {factor:.2f} / {workers.cores} cores"
    lines = [
        Line("embed", f"{n:.3g} tiles / {by_gpus}", round(embed), ASSUMED_SOURCE, "seconds"),
        Line("images read meanwhile", f"{n:.3g} x {human(IMAGE)}", n * IMAGE, "tiles of 256 px as JPEG"),
        Line("images read a second", f"{rate:g} x {human(IMAGE)}", round(rate * IMAGE), "what the object store must deliver"),
        Line("a new head only", f"{n:.3g} tiles / {by_processes}", round(head), TRAIN_HEAD_SOURCE, "seconds"),
        Line("write", f"{copies:.3g} tiles of a node / {WRITE_RATE}/s", round(write), WRITE_SOURCE, "seconds"),
        Line("graphs", by_cores, round(graph), GRAPH_SOURCE, "seconds"),
        Line("memory until the switch", "two indexes", 2 * made.memory, "the old index answers until the new one is whole"),
        Line("disk until the switch", "two indexes", 2 * made.disk, "and as long as the old version is kept for a rollback"),
    ]
    return lines, max(embed, write) + graph, max(head, write) + graph


def _search(need: Need, made: Plan, workers: Workers, kind: Filter) -> SearchCost:
    """Times of shards have a log-normal distribution, and a search waits for the slowest shard.

    A quantile q of the largest of S independent times is the quantile q^(1 / S) of one.
    """
    qualify, shard = round(need.tiles * kind.share), need.tiles / made.shards
    is_exact = qualify <= EXACT_BELOW
    if is_exact:
        median = CALL_MS + qualify / made.shards * kind.microseconds / 1000
    else:
        median = GRAPH_MS * max(log(shard) / log(GRAPH_TILES), 1.0) * (ACORN if kind.share < ACORN_BELOW else 1.0)
    p50, p99 = (median * exp(SPREAD * NormalDist().inv_cdf(q ** (1 / made.shards))) for q in (0.5, 0.99))
    processor = median * made.shards
    rate = 1000 * workers.cores * made.nodes / processor
    return SearchCost(kind.what, qualify, "exact" if is_exact else "graph", p50, p99, processor, rate)
