"""The simulated work of a planned cluster: each figure from its formula."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import numpy as np
import pytest

from app.cluster.plan import Need, plan
from app.cluster.simulate import (
    CALL_MS,
    FILTERS,
    GRAPH_MS,
    GRAPH_SECONDS,
    HEAD_RATE,
    SPREAD,
    WRITE_RATE,
    Workers,
    simulate,
)
from app.errors import InvalidInput

MANY = Need(tiles=10**9)
WORKERS = Workers(gpus=4, gpu_rate=1000, cores=8)


def test_a_reindex_takes_the_slowest_part_and_then_the_graphs() -> None:
    made = plan(MANY)
    found = simulate(MANY, made, WORKERS)
    copies = 10**9 * 2 / made.nodes
    graph = copies / 100_000 * GRAPH_SECONDS * log(10**9 / made.shards) / log(100_000) / 8
    assert found.hours == pytest.approx((max(10**9 / 4000, copies / WRITE_RATE) + graph) / 3600)
    assert found.head_hours == pytest.approx((max(10**9 / (4 * HEAD_RATE), copies / WRITE_RATE) + graph) / 3600)
    assert all(line.source for line in found.reindex)
    amounts = {line.what: line.amount for line in found.reindex}
    assert amounts["disk until the switch"] == 2 * made.disk
    assert simulate(MANY, made, replace(WORKERS, gpus=40)).hours < found.hours


def test_a_search_waits_for_the_slowest_shard() -> None:
    made = plan(MANY)
    found = {each.what: each for each in simulate(MANY, made, WORKERS).searches}
    small = found["one in 100 000 by place"]
    assert (small.method, small.qualify) == ("exact", 10_000)
    each = CALL_MS + 10_000 / made.shards * FILTERS[-1].microseconds / 1000
    assert small.processor == pytest.approx(each * made.shards)
    draws = each * np.exp(SPREAD * np.random.default_rng(1).standard_normal((20_000, made.shards)))
    assert small.p50 == pytest.approx(np.median(draws.max(axis=1)), rel=0.02)
    whole = found["no filter"]
    assert whole.method == "graph"
    assert whole.p50 > GRAPH_MS * log(10**9 / made.shards) / log(100_000)
    assert found["a tenth by time"].p50 > 2 * whole.p50
    assert whole.rate == pytest.approx(1000 * 8 * made.nodes / whole.processor)


def test_one_shard_has_its_own_distribution() -> None:
    need = Need(tiles=1000, replicas=1)
    found = simulate(need, plan(need), WORKERS).searches[0]
    shards = plan(need).shards
    assert found.method == "exact"
    assert found.p99 / found.p50 < exp(2.33 * SPREAD) * 1.05
    assert shards >= 1


@pytest.mark.parametrize("changes", [{"gpus": 0}, {"cores": 0}, {"gpu_rate": 0.0}])
def test_what_cannot_be_simulated(changes: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        simulate(MANY, plan(MANY), replace(WORKERS, **changes))  # type: ignore[arg-type]
