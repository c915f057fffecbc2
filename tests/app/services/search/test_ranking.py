"""Pages of re-ranked and folded rankings, over a real store, against the whole ranking computed plainly."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.domain.places.geometry import bbox_footprint
from app.domain.queries.search import Bookmark, Match, Shortlist, TileFilter
from app.domain.tiles import Embeddings, Tile
from app.services.search import ranking
from app.services.search.ranking import Asked, Pages
from app.services.search.rerank import Judgement
from app.services.search.timer import Timer
from app.stores.vectors.edge.edge_store import EdgeVectorStore

D, N, P = 8, 400, 4
INDEX = "c.m.1"
QUERY: NDArray[np.float32] = np.eye(1, D, dtype=np.float32)[0]


def tile(number: int) -> Tile:
    west = (number % 40) * 0.5  # each overlaps its neighbours by half
    return Tile(
        id=str(uuid.uuid5(uuid.NAMESPACE_URL, str(number))),
        source="a.tif",
        file_name="a.tif",
        content_hash=f"{number}",
        image="a.tif",
        indexed_at=datetime(2020, 1, 1, tzinfo=UTC),
        geometry=bbox_footprint([west, number // 40, west + 1, number // 40 + 1]),
    )


def vectors(count: int, seed: int) -> Embeddings:
    random = np.random.default_rng(seed)
    rows = np.round(random.normal(size=(count, D)), 1).astype(np.float32)
    rows[:, 0] = np.abs(rows[:, 0]) + 0.1
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Embeddings(rows, None, random.integers(0, 256, (count, P), dtype=np.uint8))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EdgeVectorStore]:
    made = EdgeVectorStore(tmp_path / "vectors", reserve=0)
    made.create_index(INDEX, D)
    made.upsert(INDEX, [tile(number) for number in range(N)], vectors(N, 0))
    yield made
    made.close()


def judge(head: Shortlist) -> Judgement:
    """A matcher that goes by the first byte of the pair halves, with many ties."""
    assert head.pairs is not None
    evidence = (head.pairs[:, 0] // 32).astype(np.float64) - 3.5
    scores = np.round(head.similarities + 0.1 * evidence, 6)
    return Judgement(scores, 1 / (1 + np.exp(2 - 8 * scores)))


def asked(depth: int = 60, **changes: object) -> Asked:
    fields: dict[str, object] = {"depth": depth, "judge": judge if depth else None, "pairs": True, **changes}
    return Asked(INDEX, QUERY, TileFilter(), **fields)  # type: ignore[arg-type]


def every_page(store: EdgeVectorStore, wanted: Asked, limit: int) -> tuple[list[Match], list[int | None]]:
    found: list[Match] = []
    ends = []
    mark = Bookmark(0, "m.1", depth=wanted.depth)
    for _ in range(1000):
        page = Pages(store).page(wanted, limit, mark, Timer())
        found += page.matches
        ends.append(page.matches_end_at)
        if page.after is None:
            break
        assert len(page.matches) == limit
        assert page.after.seen == len(found)
        mark = page.after
    return found, ends


def expected(store: EdgeVectorStore, depth: int) -> list[str]:
    """Ids: the first `depth` by their new score, the others as they were."""
    found = store.shortlist(INDEX, QUERY, limit=N, filter=TileFilter())
    scores = judge(found).scores
    first = sorted(range(depth), key=lambda row: (-scores[row], found.ids[row]))
    return [found.ids[row] for row in (*first, *range(depth, N))]


@pytest.mark.parametrize("limit", [7, 20, 60, 100, 400, 1000])
@pytest.mark.parametrize("depth", [0, 1, 60, 400, 1000])
def test_pages_join_to_the_whole_ranking(store: EdgeVectorStore, limit: int, depth: int) -> None:
    found, ends = every_page(store, asked(depth), limit)
    assert [match.tile.id for match in found] == expected(store, min(depth, N))
    assert [match.score for match in found] == sorted((match.score for match in found), reverse=True)
    assert [match.probability is not None for match in found] == [rank < depth for rank in range(N)]
    assert len(set(ends)) == 1
    similar = {hit.tile.id: hit.score for hit in store.search(INDEX, QUERY, limit=N, filter=TileFilter())}
    assert [match.similarity for match in found] == [similar[match.tile.id] for match in found]


def test_equal_scores_are_ordered_by_id_across_pages(store: EdgeVectorStore) -> None:
    found, _ = every_page(store, asked(400), 9)
    keys = [(-match.score, match.tile.id) for match in found]
    assert keys == sorted(keys)
    assert len({match.score for match in found}) < N


def test_the_end_of_the_matches_counts_ranks(store: EdgeVectorStore) -> None:
    found, ends = every_page(store, asked(60), 1000)
    chances = np.array([match.probability for match in found[:60]], np.float64)
    assert np.all(np.diff(chances) <= 0)
    assert 0 < np.count_nonzero(chances >= 0.5) < 60
    assert ends == [np.count_nonzero(chances >= 0.5)]


def test_a_plain_order_with_probabilities_keeps_its_scores(store: EdgeVectorStore) -> None:
    def plainly(head: Shortlist) -> Judgement:
        return Judgement(head.similarities, 1 / (1 + np.exp(2 - 8 * head.similarities)))

    found, _ = every_page(store, asked(60, judge=plainly, pairs=False), 7)
    assert [match.score for match in found] == [match.similarity for match in found]
    assert [match.tile.id for match in found] == [h.tile.id for h in store.search(INDEX, QUERY, limit=N, filter=TileFilter())]
    assert [match.probability is not None for match in found] == [rank < 60 for rank in range(N)]


def test_a_least_probability_cuts_and_ends_the_answer(store: EdgeVectorStore) -> None:
    whole, _ = every_page(store, asked(60), 1000)
    kept = [match for match in whole[:60] if match.probability is not None and match.probability >= 0.9]
    found, ends = every_page(store, asked(60, min_probability=0.9), 4)
    assert [match.tile.id for match in found] == [match.tile.id for match in kept]
    _, whole_ends = every_page(store, asked(60), 1000)
    believed = {match.tile.id for match in whole[: whole_ends[0]]}
    assert set(ends) == {sum(match.tile.id in believed for match in kept)}
    assert Pages(store).page(asked(60, min_probability=0.9), 4, Bookmark(0, "m.1", depth=60), Timer()).kept == len(kept)


@pytest.mark.parametrize("limit", [3, 10, 50])
@pytest.mark.parametrize("depth", [0, 60])
def test_folding_loses_and_repeats_nothing(
    store: EdgeVectorStore, monkeypatch: pytest.MonkeyPatch, limit: int, depth: int
) -> None:
    monkeypatch.setattr(ranking, "MAX_FOLDED", 200)  # so that several blocks are folded
    found, _ = every_page(store, asked(depth, diversify=True), limit)
    shown = [match.tile.id for match in found]
    copies = list(itertools.chain.from_iterable(match.near_copies for match in found))
    assert len(shown) + len(copies) == len({*shown, *copies}) == N
    assert copies
    assert [match.score for match in found] == sorted((match.score for match in found), reverse=True)
    order = {point: rank for rank, point in enumerate(expected(store, depth))}
    for match in found:
        assert order[match.tile.id] < min((order[copy] for copy in match.near_copies), default=N)


def test_tiles_that_come_and_go_between_pages_move_no_other(store: EdgeVectorStore) -> None:
    whole = expected(store, 60)
    first = Pages(store).page(asked(60), 20, Bookmark(0, "m.1", depth=60), Timer())
    gone = {whole[25], whole[40], whole[100]}
    store.delete(INDEX, sorted(gone))
    new = [tile(number) for number in range(1000, 1090)]
    better = np.repeat(QUERY[None], 90, 0)
    store.upsert(INDEX, new, Embeddings(better, None, np.full((90, P), 255, np.uint8)))  # before everything that is there
    found = [match.tile.id for match in first.matches]
    mark = first.after
    while mark is not None:
        page = Pages(store).page(asked(60), 20, mark, Timer())
        found += [match.tile.id for match in page.matches]
        mark = page.after
    old = set(whole)
    assert [point for point in found if point in old] == [point for point in whole if point not in gone]
    assert len(found) == len(set(found))


def test_a_matcher_with_nothing_to_compare_leaves_the_order(store: EdgeVectorStore) -> None:
    page = Pages(store).page(asked(60, judge=lambda head: None), 10, Bookmark(0, "m.1", depth=60), Timer())
    assert [match.tile.id for match in page.matches] == expected(store, 0)[:10]
    assert (page.depth, page.matches_end_at) == (0, None)
    assert page.after is not None
    assert page.after.depth == 0


def test_an_empty_index_has_no_matches(tmp_path: Path) -> None:
    empty = EdgeVectorStore(tmp_path / "empty", reserve=0)
    empty.create_index(INDEX, D)
    nothing = Judgement(np.zeros(0), np.zeros(0))
    page = Pages(empty).page(asked(60, judge=lambda head: nothing, diversify=True), 10, Bookmark(0, "m.1", depth=60), Timer())
    assert (page.matches, page.after, page.matches_end_at) == ([], None, 0)
    empty.close()
