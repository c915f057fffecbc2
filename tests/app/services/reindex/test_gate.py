"""The gate over real indexes and models; what it decides, and that it counts what it says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest

from app.container import Container
from app.domain.held_out import is_held_out
from app.ports import VectorStore
from app.services.reindex.gate import MIN_QUERIES, Gate, Side, _verdict
from app.services.search.recent_queries import RecentQueries, RecentQuery
from tests.support.archives import ARCHIVE, index_pictures, opened, tiles_of, write_models, write_pictures
from tests.support.headed import SIZE


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    folder = tmp_path_factory.mktemp("gate")
    write_models(folder / "home")
    with opened(folder / "home") as container:
        index_pictures(container, write_pictures(folder / "pictures", 25))
        index_pictures(container, folder / "pictures", "hog", "hogs")
        yield container


def side(parts: Container, collection: str = ARCHIVE) -> Side:
    live = parts.collections.live(collection)
    return Side(live.index, parts.models.load(live.model))


def recent(parts: Container) -> RecentQueries:
    return RecentQueries(parts.blobs, 100, parts.locks)


def test_an_index_is_not_worse_than_itself(parts: Container) -> None:
    asked = recent(parts)
    ids = sorted(tiles_of(parts))
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    for query in (RecentQuery((ids[0],)), RecentQuery((ids[1],), (ids[2],)), RecentQuery(pixels=pixels)):
        asked.note(ARCHIVE, query)
    asked.note(ARCHIVE, RecentQuery(("00000000-0000-0000-0000-000000000000",)))
    verdict = Gate(parts.vectors, asked).judge(ARCHIVE, side(parts), side(parts), 0.0)
    assert verdict.passed
    held = [item for item in ids if is_held_out(item)]
    assert verdict.numbers["golden_queries"] == len(held) > MIN_QUERIES
    assert verdict.numbers["map"]["old"] == verdict.numbers["map"]["new"] > 0.3
    assert (verdict.numbers["overlap_at_10"], verdict.numbers["recent_overlap_at_10"]) == (1.0, 1.0)
    assert verdict.numbers["recent_queries"] == 3
    assert min(verdict.numbers["latency_ms"].values()) > 0


def test_models_of_other_sizes_see_the_same_upload(parts: Container) -> None:
    asked = recent(parts)
    asked.note(ARCHIVE, RecentQuery(pixels=np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)))
    asked.note(ARCHIVE, RecentQuery(pixels=np.zeros((SIZE, SIZE, 5), np.uint8)))
    verdict = Gate(parts.vectors, asked).judge(ARCHIVE, side(parts), side(parts, "hogs"), 1.0)
    assert verdict.numbers["recent_queries"] == 1
    assert verdict.numbers["golden_queries"] == 0  # other ids: nothing to compare by
    assert "could not be compared" in verdict.reason


@pytest.mark.parametrize(("slow_searches", "passed"), [(2, True), (1000, False)])
def test_only_an_index_that_stays_slow_is_refused(parts: Container, slow_searches: int, passed: bool) -> None:
    asked = recent(parts)
    asked.note(ARCHIVE, RecentQuery(pixels=np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)))
    new = side(parts, "hogs")
    stalls = iter(range(slow_searches))

    class Stalling:
        def __getattr__(self, name: str) -> Any:
            return getattr(parts.vectors, name)

        def search(self, index: str, *arguments: Any, **options: Any) -> Any:
            if index == new.index and next(stalls, None) is not None:
                time.sleep(0.2)
            return parts.vectors.search(index, *arguments, **options)

    verdict = Gate(cast(VectorStore, Stalling()), asked).judge(ARCHIVE, side(parts), new, 1.0)
    assert verdict.passed is passed, verdict
    assert ("ms on the new index" in verdict.reason) is not passed


def numbers(**changes: Any) -> dict[str, Any]:
    return {
        "golden_queries": 50,
        "map": {"old": 0.5, "new": 0.495},
        "margin": 0.01,
        "latency_ms": {"old": 4.0, "new": 5.0},
    } | changes


@pytest.mark.parametrize(
    ("changes", "passed", "reason"),
    [
        ({}, True, "0.5000 before, 0.4950 now"),
        ({"map": {"old": 0.5, "new": 0.489}}, False, "margin of 0.01"),
        ({"map": {"old": 0.5, "new": 0.489}, "margin": 0.02}, True, "0.4890 now"),
        ({"latency_ms": {"old": 4.0, "new": 12.9}}, True, "before"),
        ({"latency_ms": {"old": 4.0, "new": 13.1}}, False, "13.1 ms on the new index"),
        ({"map": None, "golden_queries": 0}, True, "could not be compared: no evaluation queries"),
        ({"map": None, "golden_queries": 4}, True, "only 4 evaluation queries, 10 are needed"),
        ({"map": None, "golden_queries": 0, "latency_ms": {"old": 1.0, "new": 8.0}}, False, "8.0 ms"),
        ({"map": None, "golden_queries": 0, "latency_ms": None}, True, "could not be compared"),
    ],
)
def test_the_verdict(changes: dict[str, Any], passed: bool, reason: str) -> None:
    verdict = _verdict(numbers(**changes))
    assert verdict.passed is passed
    assert reason in verdict.reason
