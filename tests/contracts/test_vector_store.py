"""One suite over every `VectorStore`, checked against a plain recomputation with NumPy and shapely."""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.domain.places.geometry import Bounds, bbox_footprint, parse_bbox, parse_footprint, parse_region
from app.domain.queries.cql2.expression import parse_expression
from app.domain.queries.search import Cursor, Hit, TileFilter
from app.domain.temporal import Interval
from app.domain.tiles import Embeddings, Tile, Window
from app.errors import Conflict, InvalidInput, ModelMismatch, NotFound
from app.ports import VectorStore
from app.stores.vectors.edge.edge_store import EdgeVectorStore
from app.stores.vectors.edge.tabled_index import TabledIndex
from app.stores.vectors.qdrant.options import QdrantOptions
from app.stores.vectors.qdrant.qdrant_store import QdrantVectorStore, connect

D = 16
N = 600
START = datetime(2020, 1, 1, tzinfo=UTC)
INDEX = "ucm.hog.1"


class TabledStore(EdgeVectorStore):
    """The embedded store, whose indexes of every size have a search table before they answer."""

    def _index(self, index: str) -> TabledIndex:
        opened = super()._index(index)
        opened.wait_for_table()
        return opened


def make_store(kind: str, request: pytest.FixtureRequest, folder: Path) -> VectorStore:
    if kind == "edge with tables":
        return TabledStore(folder / "vectors", reserve=0, table_from=0)
    if kind == "edge":
        return EdgeVectorStore(folder / "vectors", reserve=0)
    return QdrantVectorStore(connect(request.getfixturevalue("qdrant_url")), QdrantOptions(prefix=f"test-{uuid.uuid4()}"))


def close(store: VectorStore) -> None:
    if isinstance(store, QdrantVectorStore):
        for index in store.indexes():
            store.drop_index(index)
    store.close()


KINDS = ("edge", "edge with tables", "server")


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorStore]:
    made = make_store(request.param, request, tmp_path)
    yield made
    close(made)


@pytest.fixture(scope="module", params=KINDS)
def archive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VectorStore]:
    """A store filled with `TILES`; tests leave it as it is."""
    made = make_store(request.param, request, tmp_path_factory.mktemp("archive"))
    made.create_index(INDEX, D)
    made.upsert(INDEX, TILES, VECTORS)
    yield made
    close(made)


def tile_at(number: int, **changes: Any) -> Tile:
    tile = Tile(
        id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"tile {number}")),
        source=f"folder/{number % 7}.tif",
        file_name=f"{number % 7}.tif",
        content_hash=f"{number:032x}",
        image=f"collections/ucm/images/{number}.tif",
        indexed_at=START,
    )
    return replace(tile, **changes)


def random_tiles() -> list[Tile]:
    rng = np.random.default_rng(0)
    tiles = []
    for number in range(N):
        lon, lat, turn = rng.uniform(-179.9 if number % 20 != 1 else 178, 180), rng.uniform(-70, 70), rng.uniform(0, np.pi)
        size = rng.choice([0.05, 0.5, 3.0])
        corners = [(lon + size * np.cos(turn + k * np.pi / 2), lat + size * np.sin(turn + k * np.pi / 2)) for k in range(4)]
        west, east = min(x for x, _ in corners), max(x for x, _ in corners)
        geometry = None
        if number % 10:
            cut = west < -180 or east > 180
            box = [(west + 180) % 360 - 180, lat - size, (east + 180) % 360 - 180, lat + size]
            geometry = (
                bbox_footprint(box) if cut else parse_footprint({"type": "Polygon", "coordinates": [[*corners, corners[0]]]})
            )
        tiles.append(
            tile_at(
                number,
                geometry=geometry,
                datetime=START + timedelta(hours=int(rng.integers(0, 24 * 30))) if number % 5 else None,
                labels=tuple(sorted({f"label {k}" for k in rng.integers(0, 6, rng.integers(0, 4))})),
                properties={"ü": [1, {"a": None}], "cloud": number % 50, **({"platform": "a"} if number % 4 == 0 else {})},
                window=Window(number, 2, 256, 256) if number % 2 else None,
                gsd=0.3 if number % 3 else None,
                preview="preview.png" if number % 4 else None,
                stretch=((0.1 + number, 1234.5), (1 / 3, 2.0)) if number % 3 else None,
                picture_hash="ab" if number % 2 else None,
                sent={"labels": "cd"} if number % 3 else None,
            )
        )
    return tiles


def random_vectors(n: int, seed: int = 1) -> Embeddings:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, D)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Embeddings(rows, rng.standard_normal((n, 8)).astype(np.float16), rng.integers(0, 256, (n, 12), dtype=np.uint8))


TILES = random_tiles()
VECTORS = random_vectors(N)
QUERY: NDArray[np.float32] = random_vectors(1, 9).embedding[0]

HOLE = {
    "type": "Polygon",
    "coordinates": [
        [[-60, -50], [70, -60], [80, 50], [-70, 60], [-60, -50]],
        [[-20, -20], [-20, 30], [30, 30], [30, -20], [-20, -20]],
    ],
}
CUT = {
    "type": "MultiPolygon",
    "coordinates": [
        [[[150, -40], [180, -40], [180, 40], [170, 50], [150, -40]]],
        [[[-180, -40], [-150, -30], [-170, 40], [-180, 40], [-180, -40]]],
    ],
}
PLAIN: dict[str, Callable[[Tile], bool]] = {
    "cloud < 10 AND platform = 'a'": lambda tile: tile.properties["cloud"] < 10 and "platform" in tile.properties,
    "cloud = 7": lambda tile: tile.properties["cloud"] == 7,
    "platform IS NULL": lambda tile: "platform" not in tile.properties,
    "labels = 'label 1' AND gsd > 0.2": lambda tile: "label 1" in tile.labels and tile.gsd is not None,
    "datetime > TIMESTAMP('2020-01-10T00:00:00Z') AND cloud BETWEEN 5 AND 20": lambda tile: (
        tile.datetime is not None and tile.datetime > START + timedelta(days=9) and 5 <= tile.properties["cloud"] <= 20
    ),
    "S_INTERSECTS(geometry, BBOX(-30, -30, 40, 20)) AND NOT platform = 'a'": lambda _: False,
    "S_INTERSECTS(geometry, BBOX(-30, -30, 40, 20)) AND (platform IS NULL OR cloud IN (4, 8))": lambda tile: (
        tile.geometry is not None
        and parse_bbox([-30, -30, 40, 20]).intersects(tile.geometry)
        and ("platform" not in tile.properties or tile.properties["cloud"] in (4, 8))
    ),
}
"""What filters in CQL2 mean, in Python."""
FILTERS = {
    **{text: TileFilter(expression=parse_expression(text)) for text in PLAIN},
    "none": TileFilter(),
    "box": TileFilter(region=parse_bbox([-30, -30, 40, 20])),
    "small box": TileFilter(region=parse_bbox([10, 10, 11, 11])),
    "half": TileFilter(region=parse_bbox([-120, -60, 100, 60])),
    "world": TileFilter(region=parse_bbox([-180, -90, 180, 90])),
    "to the pole": TileFilter(region=parse_bbox([-30, 10, 30, 90])),
    "across the antimeridian": TileFilter(region=parse_bbox([150, -40, -140, 30])),
    "at the antimeridian": TileFilter(region=parse_bbox([179, -80, 180, 80])),
    "west of the antimeridian": TileFilter(region=parse_bbox([-180, -80, -179, 80])),
    "polygon with a hole": TileFilter(region=parse_region(HOLE)),
    "polygon across the antimeridian": TileFilter(region=parse_region(CUT)),
    "point": TileFilter(region=parse_region({"type": "Point", "coordinates": [12.0, 3.0]})),
    "line": TileFilter(region=parse_region({"type": "LineString", "coordinates": [[-90, 0], [60, 10]]})),
    "interval": TileFilter(interval=Interval(START + timedelta(days=3), START + timedelta(days=9))),
    "since": TileFilter(interval=Interval(START + timedelta(days=20), None)),
    "until": TileFilter(interval=Interval(None, START + timedelta(days=4, hours=5))),
    "instant": TileFilter(interval=Interval(TILES[1].datetime, TILES[1].datetime)),
    "labels": TileFilter(labels=("label 1", "label 4")),
    "ids": TileFilter(ids=tuple(tile.id for tile in TILES[5:55])),
    "no ids": TileFilter(ids=()),
    "without ids": TileFilter(exclude_ids=tuple(tile.id for tile in TILES[::2])),
    "sources": TileFilter(sources=("folder/1.tif", "folder/3.tif")),
    "all of it": TileFilter(
        region=parse_bbox([-100, -60, 120, 60]),
        interval=Interval(START, START + timedelta(days=25)),
        labels=("label 0", "label 2", "label 3"),
        exclude_ids=tuple(tile.id for tile in TILES[:100]),
        sources=("folder/1.tif", "folder/2.tif", "folder/5.tif"),
    ),
}


def qualifies(tile: Tile, f: TileFilter) -> bool:
    if f.expression is not None and not PLAIN[next(text for text in PLAIN if parse_expression(text) == f.expression)](tile):
        return False
    if f.region is not None and (tile.geometry is None or not f.region.intersects(tile.geometry)):
        return False
    if f.interval is not None:
        start, end = f.interval.start, f.interval.end
        if tile.datetime is None or (start and tile.datetime < start) or (end and tile.datetime > end):
            return False
    return (
        (not f.labels or bool(set(f.labels) & set(tile.labels)))
        and (f.ids is None or tile.id in f.ids)
        and tile.id not in f.exclude_ids
        and (not f.sources or tile.source in f.sources)
    )


def expected_hits(f: TileFilter) -> list[tuple[float, str]]:
    scores = VECTORS.embedding.astype(np.float64) @ QUERY.astype(np.float64)
    return sorted((-round(float(score), 6), tile.id) for tile, score in zip(TILES, scores, strict=True) if qualifies(tile, f))


def all_hits(store: VectorStore, vector: NDArray[np.float32], f: TileFilter, limit: int) -> list[Hit]:
    """Every page, each continued from the one before."""
    hits: list[Hit] = []
    after = None
    while page := store.search(INDEX, vector, limit=limit, filter=f, after=after):
        hits += page
        after = Cursor(page[-1].score, page[-1].tile.id, len(hits))
        if len(page) < limit:
            break
    return hits


each_filter = pytest.mark.parametrize("name", FILTERS)


def test_the_filters_are_worth_testing() -> None:
    sizes = {name: sum(qualifies(tile, f) for tile in TILES) for name, f in FILTERS.items()}
    assert all(sizes[name] for name in FILTERS if name not in ("no ids", "point", "small box") and "AND NOT" not in name)
    assert sum(1 for tile in TILES if tile.geometry and tile.geometry["type"] == "MultiPolygon") > 3


@each_filter
def test_search_finds_the_best_qualifying_tiles(archive: VectorStore, name: str) -> None:
    expected = expected_hits(FILTERS[name])
    for limit in (1, 10, N):
        hits = archive.search(INDEX, QUERY, limit=limit, filter=FILTERS[name])
        assert [hit.tile.id for hit in hits] == [point for _, point in expected[:limit]]
        np.testing.assert_allclose([hit.score for hit in hits], [-score for score, _ in expected[:limit]], atol=2e-6)


@each_filter
def test_pages_of_a_search_neither_repeat_nor_lose_a_tile(archive: VectorStore, name: str) -> None:
    hits = all_hits(archive, QUERY, FILTERS[name], 17)
    assert [hit.tile.id for hit in hits] == [point for _, point in expected_hits(FILTERS[name])]


@each_filter
def test_a_shortlist_is_what_search_finds_with_the_pair_halves(archive: VectorStore, name: str) -> None:
    assert VECTORS.pair is not None
    rows = {tile.id: row for row, tile in enumerate(TILES)}
    hits = archive.search(INDEX, QUERY, limit=37, filter=FILTERS[name])
    found = archive.shortlist(INDEX, QUERY, limit=37, filter=FILTERS[name])
    assert found.ids == [hit.tile.id for hit in hits]
    assert found.similarities.tolist() == [hit.score for hit in hits]
    assert [found.read(row) for row in range(len(found))] == [hit.tile for hit in hits]
    if hits:
        np.testing.assert_array_equal(found.pairs, VECTORS.pair[[rows[point] for point in found.ids]])
        after = Cursor(hits[-1].score, hits[-1].tile.id, len(hits))
        following = archive.shortlist(INDEX, QUERY, limit=5, filter=FILTERS[name], after=after)
        assert following.ids == [hit.tile.id for hit in archive.search(INDEX, QUERY, limit=42, filter=FILTERS[name])[37:]]
    else:
        assert found.pairs is None


@each_filter
def test_a_shortlist_has_the_embeddings_if_they_are_wanted(archive: VectorStore, name: str) -> None:
    rows = {tile.id: row for row, tile in enumerate(TILES)}
    plain = archive.shortlist(INDEX, QUERY, limit=37, filter=FILTERS[name])
    found = archive.shortlist(INDEX, QUERY, limit=37, filter=FILTERS[name], pairs=False, embeddings=True)
    assert (plain.embeddings, found.pairs) == (None, None)
    assert found.ids == plain.ids
    assert [found.read(row) for row in range(len(found))] == [plain.read(row) for row in range(len(plain))]
    assert found.embeddings is not None
    assert found.embeddings.shape == (len(found), D)
    np.testing.assert_allclose(found.embeddings, VECTORS.embedding[[rows[point] for point in found.ids]], atol=1e-6)
    first = found.head(3).embeddings
    assert first is not None
    assert len(first) == min(3, len(found))


@pytest.mark.parametrize("width", [1, 2, 3, 4, 1024])
def test_pair_halves_of_any_length_come_back_with_a_shortlist(store: VectorStore, width: int) -> None:
    store.create_index(INDEX, D)
    vectors = random_vectors(20)
    pairs = np.random.default_rng(0).integers(0, 256, (20, width), dtype=np.uint8)
    store.upsert(INDEX, TILES[:20], replace(vectors, pair=pairs))
    found = store.shortlist(INDEX, QUERY, limit=50, filter=TileFilter())
    rows = {tile.id: row for row, tile in enumerate(TILES[:20])}
    np.testing.assert_array_equal(found.pairs, pairs[[rows[point] for point in found.ids]])


def test_a_shortlist_without_all_pair_halves_has_none(store: VectorStore) -> None:
    store.create_index(INDEX, D)
    store.upsert(INDEX, TILES[:3], random_vectors(3))
    store.upsert(INDEX, TILES[3:4], Embeddings(VECTORS.embedding[3:4]))
    found = store.shortlist(INDEX, QUERY, limit=4, filter=TileFilter())
    assert (len(found), found.pairs) == (4, None)


@each_filter
def test_scroll_lists_qualifying_tiles_by_id(archive: VectorStore, name: str) -> None:
    found: list[Tile] = []
    after = None
    for _ in itertools.count():
        page = archive.scroll(INDEX, limit=23, filter=FILTERS[name], after=after)
        found += page.tiles
        after = page.after
        if after is None:
            break
        assert len(page.tiles) == 23
    assert found == sorted((tile for tile in TILES if qualifies(tile, FILTERS[name])), key=lambda tile: tile.id)


@each_filter
def test_count_is_exact(archive: VectorStore, name: str) -> None:
    assert archive.count(INDEX, FILTERS[name]) == sum(qualifies(tile, FILTERS[name]) for tile in TILES)


@each_filter
def test_facets_are_exact(archive: VectorStore, name: str) -> None:
    chosen = [tile for tile in TILES if qualifies(tile, FILTERS[name])]
    labels = Counter(itertools.chain.from_iterable(tile.labels for tile in chosen))
    sources = Counter(tile.source for tile in chosen)
    for key, counts in (("labels", labels), ("source", sources)):
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        assert archive.facet(INDEX, key, filter=FILTERS[name]) == ordered
        assert archive.facet(INDEX, key, filter=FILTERS[name], limit=2) == ordered[:2]


def test_a_value_that_no_tile_has_any_more_is_no_facet(store: VectorStore) -> None:
    store.create_index(INDEX, D)
    tiles = [replace(TILES[number], labels=(label,)) for number, label in enumerate(("a", "a", "b"))]
    store.upsert(INDEX, tiles, random_vectors(3))
    store.set_records(INDEX, [replace(tiles[2], labels=("c",))])
    assert store.facet(INDEX, "labels", filter=TileFilter()) == [("a", 2), ("c", 1)]


def test_extent_spans_all_tiles(archive: VectorStore) -> None:
    extent = archive.extent(INDEX)
    times = [tile.datetime for tile in TILES if tile.datetime is not None]
    assert extent.interval == Interval(min(times), max(times))
    assert extent.bounds is not None
    assert extent.bounds.east > 180
    assert -180 <= extent.bounds.west < -170


def test_tiles_and_vectors_come_back_as_they_were(archive: VectorStore) -> None:
    unknown = str(uuid.uuid4())
    assert archive.retrieve(INDEX, [TILES[3].id, unknown, TILES[4].id]) == {TILES[3].id: TILES[3], TILES[4].id: TILES[4]}
    back = archive.retrieve_vectors(INDEX, [TILES[7].id, TILES[2].id, TILES[7].id])
    np.testing.assert_allclose(back.embedding, VECTORS.embedding[[7, 2, 7]], atol=1e-6)
    assert back.feature is not None
    assert back.pair is not None
    assert VECTORS.feature is not None
    assert VECTORS.pair is not None
    assert back.feature.dtype == np.float16
    np.testing.assert_array_equal(back.feature, VECTORS.feature[[7, 2, 7]])
    np.testing.assert_array_equal(back.pair, VECTORS.pair[[7, 2, 7]])
    with pytest.raises(NotFound, match=unknown):
        archive.retrieve_vectors(INDEX, [TILES[0].id, unknown])
    assert archive.retrieve(INDEX, []) == {}
    assert len(archive.retrieve_vectors(INDEX, [])) == 0


def test_vectors_without_features(store: VectorStore) -> None:
    store.create_index(INDEX, D)
    store.upsert(INDEX, TILES[:3], Embeddings(VECTORS.embedding[:3]))
    back = store.retrieve_vectors(INDEX, [TILES[0].id])
    assert back.feature is None
    assert back.pair is None


@pytest.mark.parametrize("limit", [1, 7, 100, N, N + 1])
def test_a_scan_gives_every_tile_once_with_its_vectors(archive: VectorStore, limit: int) -> None:
    order = sorted(range(N), key=lambda number: TILES[number].id)[: 5 if limit == 1 else N]
    found: list[int] = []
    after = None
    while len(found) < len(order):
        page = archive.scroll_vectors(INDEX, limit=limit, after=after, features=True, pairs=True)
        expected = order[len(found) : len(found) + limit]
        assert page.tiles == [TILES[number] for number in expected]
        np.testing.assert_allclose(page.embeddings.embedding, VECTORS.embedding[expected], atol=1e-6)
        assert page.embeddings.embedding.dtype == np.float32
        assert VECTORS.feature is not None
        assert VECTORS.pair is not None
        np.testing.assert_array_equal(page.embeddings.feature, VECTORS.feature[expected])
        np.testing.assert_array_equal(page.embeddings.pair, VECTORS.pair[expected])
        found += expected
        after = page.after
        assert (after is None) == (len(found) == N)


def test_a_scan_fetches_only_what_is_asked_for(archive: VectorStore) -> None:
    bare = archive.scroll_vectors(INDEX, limit=3).embeddings
    assert (bare.feature, bare.pair) == (None, None)
    featured = archive.scroll_vectors(INDEX, limit=3, features=True).embeddings
    assert featured.feature is not None
    assert featured.pair is None


def test_a_scan_goes_on_behind_an_id_that_is_gone(store: VectorStore) -> None:
    store.create_index(INDEX, D)
    tiles = sorted(TILES[:9], key=lambda tile: tile.id)
    store.upsert(INDEX, tiles, random_vectors(9))
    after = store.scroll_vectors(INDEX, limit=4).after
    assert after == tiles[3].id
    store.delete(INDEX, [after])
    rest = store.scroll_vectors(INDEX, limit=4, after=after)
    assert [tile.id for tile in rest.tiles] == [tile.id for tile in tiles[4:8]]
    last = store.scroll_vectors(INDEX, limit=4, after=rest.after)
    assert ([tile.id for tile in last.tiles], last.after) == ([tiles[8].id], None)
    assert store.scroll_vectors(INDEX, limit=4, after=tiles[8].id).tiles == []


@pytest.mark.parametrize("limit", [1, 7, N, N + 1])
def test_sources_give_every_tile_once(archive: VectorStore, limit: int) -> None:
    expected = sorted((tile.id, tile.source) for tile in TILES)[: 5 if limit == 1 else N]
    found: list[tuple[str, str]] = []
    after = None
    while len(found) < len(expected):
        page = archive.scroll_sources(INDEX, limit=limit, after=after)
        found += page.sources
        after = page.after
        assert (after is None) == (len(found) == N)
    assert found == expected


def test_sources_go_on_behind_an_id_that_is_gone(store: VectorStore) -> None:
    store.create_index(INDEX, D)
    assert store.scroll_sources(INDEX, limit=4).sources == []
    tiles = sorted(TILES[:9], key=lambda tile: tile.id)
    store.upsert(INDEX, tiles, random_vectors(9))
    after = store.scroll_sources(INDEX, limit=4).after
    assert after == tiles[3].id
    store.delete(INDEX, [after])
    rest = store.scroll_sources(INDEX, limit=4, after=after)
    assert rest.sources == [(tile.id, tile.source) for tile in tiles[4:8]]
    last = store.scroll_sources(INDEX, limit=4, after=rest.after)
    assert (last.sources, last.after) == ([(tiles[8].id, tiles[8].source)], None)


RECAST = slice(0, 260)  # more than any adapter does at a time


@pytest.mark.parametrize("dimension", [3, D])
def test_an_index_is_made_of_another_one_under_new_embeddings(store: VectorStore, dimension: int) -> None:
    feature, pair = VECTORS.feature, VECTORS.pair
    assert feature is not None
    assert pair is not None
    store.create_index(INDEX, D)
    store.upsert(INDEX, TILES[RECAST], Embeddings(VECTORS.embedding[RECAST], feature[RECAST], pair[RECAST]))
    head = np.random.default_rng(0).standard_normal((dimension, 8)).astype(np.float32)

    def transform(old: Embeddings) -> NDArray[np.float32]:
        assert old.feature is not None
        assert old.pair is None
        made = old.feature.astype(np.float32) @ head.T
        unit: NDArray[np.float32] = made / np.linalg.norm(made, axis=1, keepdims=True)
        return unit

    steps: list[int] = []
    assert store.copy_with_vectors(INDEX, "ucm.new.1", transform, step=lambda done, is_kept: steps.append(done))
    assert steps == sorted(set(steps))
    assert len(steps) > 1
    assert steps[-1] == 260
    assert store.stats("ucm.new.1").size == 260
    assert store.stats("ucm.new.1").dimension == dimension
    ids = [tile.id for tile in TILES[RECAST]]
    assert store.retrieve("ucm.new.1", ids) == store.retrieve(INDEX, ids)
    old, new = store.retrieve_vectors(INDEX, ids), store.retrieve_vectors("ucm.new.1", ids)
    np.testing.assert_allclose(old.embedding, VECTORS.embedding[RECAST], atol=1e-6)
    np.testing.assert_allclose(new.embedding, transform(Embeddings(old.embedding, old.feature)), atol=1e-6)
    np.testing.assert_array_equal(new.feature, old.feature)
    np.testing.assert_array_equal(new.pair, old.pair)
    for name in ("box", "labels", "interval", "sources"):
        assert store.count("ucm.new.1", FILTERS[name]) == store.count(INDEX, FILTERS[name])
    hits = store.search("ucm.new.1", new.embedding[7], limit=260, filter=TileFilter())
    assert hits[0].tile.id == ids[7]
    assert len({hit.tile.id for hit in hits}) == 260
    with pytest.raises(Conflict):
        store.copy_with_vectors(INDEX, "ucm.new.1", transform, step=lambda done, is_kept: None)


def test_both_indexes_go_their_own_ways_afterwards(store: VectorStore) -> None:
    store.create_index(INDEX, D)
    store.upsert(INDEX, TILES[:9], random_vectors(9))
    assert store.copy_with_vectors(INDEX, "ucm.new.1", lambda old: old.embedding, step=lambda done, is_kept: None)
    ids = [tile.id for tile in TILES[:9]]
    store.set_labels(INDEX, {ids[0]: ("only here",)})
    store.delete("ucm.new.1", ids[1:3])
    store.upsert("ucm.new.1", TILES[9:11], random_vectors(2))
    assert store.retrieve("ucm.new.1", ids[:1])[ids[0]].labels == TILES[0].labels
    assert (store.stats(INDEX).size, store.stats("ucm.new.1").size) == (9, 9)
    store.drop_index(INDEX)
    assert store.stats("ucm.new.1").size == 9


def test_a_recast_without_pair_halves_or_not_at_all(store: VectorStore) -> None:
    store.create_index(INDEX, D)
    assert not store.copy_with_vectors(INDEX, "ucm.new.1", lambda old: old.embedding, step=lambda done, is_kept: None)
    store.upsert(INDEX, TILES[:5], random_vectors(5))
    assert not store.copy_with_vectors(INDEX, "ucm.new.1", lambda old: None, step=lambda done, is_kept: None)
    assert store.indexes() == [INDEX]
    assert store.copy_with_vectors(INDEX, "ucm.new.1", lambda old: old.embedding, step=lambda done, is_kept: None, pairs=False)
    back = store.retrieve_vectors("ucm.new.1", [TILES[0].id])
    assert back.pair is None
    assert back.feature is not None


@pytest.mark.parametrize("dimension", [3, D])
def test_what_a_recast_that_was_stopped_leaves_behind_is_done(store: VectorStore, dimension: int) -> None:
    store.create_index(INDEX, D)
    store.upsert(INDEX, TILES[RECAST], random_vectors(260))
    kept = 0

    def step(done: int, is_kept: bool) -> None:
        nonlocal kept
        kept = done if is_kept else 0
        if done > 120:
            raise Conflict("stop")

    with pytest.raises(Conflict, match="stop"):
        store.copy_with_vectors(INDEX, "ucm.new.1", lambda old: -old.embedding[:, :dimension], step=step)
    if not kept:
        assert store.indexes() == [INDEX]
        return
    ids = [tile.id for tile in store.scroll("ucm.new.1", limit=1000, filter=TileFilter()).tiles]
    assert 120 < len(ids) == kept < 260
    made = -store.retrieve_vectors(INDEX, ids).embedding[:, :dimension]
    unit = made / np.linalg.norm(made, axis=1, keepdims=True)
    np.testing.assert_allclose(store.retrieve_vectors("ucm.new.1", ids).embedding, unit, atol=1e-6)


def test_a_scan_of_an_empty_index(store: VectorStore) -> None:
    store.create_index(INDEX, D)
    page = store.scroll_vectors(INDEX, limit=10, features=True)
    assert (page.tiles, page.after, page.embeddings.embedding.shape) == ([], None, (0, D))


def test_thousands_of_equal_tiles_are_paged_by_id(store: VectorStore) -> None:
    store.create_index(INDEX, D)
    tiles = [tile_at(number) for number in range(2500)]
    store.upsert(INDEX, tiles, Embeddings(np.repeat(QUERY[None], 2500, 0)))
    better = tile_at(9999)
    store.upsert(INDEX, [better], Embeddings(QUERY[None]))
    hits = all_hits(store, QUERY, TileFilter(), 400)
    assert [hit.tile.id for hit in hits] == sorted(tile.id for tile in [*tiles, better])
    assert len({hit.score for hit in hits}) == 1


def test_upsert_replaces_the_whole_point(store: VectorStore) -> None:
    store.create_index(INDEX, D)
    store.upsert(INDEX, TILES[:9], random_vectors(9))
    changed = tile_at(1, labels=("new",))
    store.upsert(INDEX, [changed], Embeddings(QUERY[None]))
    assert store.stats(INDEX).size == 9
    assert store.retrieve(INDEX, [changed.id]) == {changed.id: changed}
    assert store.retrieve_vectors(INDEX, [changed.id]).pair is None
    assert store.count(INDEX, TileFilter(region=parse_bbox([-180, -90, 180, 90]))) == sum(
        tile.geometry is not None for tile in [TILES[0], *TILES[2:9]]
    )


def test_update_changes_records_and_leaves_vectors(store: VectorStore) -> None:
    store.create_index(INDEX, D)
    store.upsert(INDEX, TILES[:200], random_vectors(200))
    before = store.retrieve_vectors(INDEX, [TILES[1].id])
    moved = replace(TILES[1], geometry=bbox_footprint([5, 5, 6, 6]), labels=("moved",), datetime=None)
    bare = replace(TILES[2], geometry=None, properties={})
    store.set_records(INDEX, [moved, bare, tile_at(123456)])
    assert store.retrieve(INDEX, [moved.id, bare.id]) == {moved.id: moved, bare.id: bare}
    assert store.stats(INDEX).size == 200
    after = store.retrieve_vectors(INDEX, [TILES[1].id])
    np.testing.assert_array_equal(before.embedding, after.embedding)
    np.testing.assert_array_equal(before.pair, after.pair)
    assert [t.id for t in store.scroll(INDEX, limit=5, filter=TileFilter(labels=("moved",))).tiles] == [moved.id]
    world = store.scroll(INDEX, limit=200, filter=TileFilter(region=parse_bbox([-180, -90, 180, 90]))).tiles
    assert bare.id not in {tile.id for tile in world}


def test_relabel_changes_labels_and_nothing_else(store: VectorStore) -> None:
    store.create_index(INDEX, D)
    store.upsert(INDEX, TILES[:300], random_vectors(300))
    before, first = store.stats(INDEX).generation, store.retrieve_vectors(INDEX, [TILES[0].id])
    wanted = {tile.id: (("new", "b") if number % 2 else ()) for number, tile in enumerate(TILES[:250])}
    store.set_labels(INDEX, {**wanted, str(uuid.uuid4()): ("new",)})
    found = store.retrieve(INDEX, [tile.id for tile in TILES[:300]])
    assert found == {tile.id: replace(tile, labels=wanted.get(tile.id, tile.labels)) for tile in TILES[:300]}
    assert store.stats(INDEX).size == 300
    assert store.stats(INDEX).generation > before
    assert store.count(INDEX, TileFilter(labels=("new",))) == 125
    assert dict(store.facet(INDEX, "labels", filter=TileFilter(ids=tuple(wanted)))) == {"new": 125, "b": 125}
    np.testing.assert_array_equal(store.retrieve_vectors(INDEX, [TILES[0].id]).pair, first.pair)
    store.set_labels(INDEX, {})


def test_delete_forgets_points_and_ignores_unknown_ones(store: VectorStore) -> None:
    store.create_index(INDEX, D)
    store.upsert(INDEX, TILES[:50], random_vectors(50))
    first = store.stats(INDEX).generation
    store.delete(INDEX, [TILES[0].id, TILES[1].id, str(uuid.uuid4())])
    assert store.stats(INDEX).size == 48
    assert store.stats(INDEX).generation != first
    assert store.count(INDEX, TileFilter()) == 48
    assert store.retrieve(INDEX, [TILES[0].id]) == {}


def test_an_empty_index_answers(store: VectorStore) -> None:
    store.create_index(INDEX, D)
    here = TileFilter(region=parse_bbox([0, 0, 10, 10]))
    assert store.search(INDEX, QUERY, limit=10, filter=here) == []
    assert store.scroll(INDEX, limit=10, filter=TileFilter()).tiles == []
    assert store.count(INDEX, here) == 0
    assert store.facet(INDEX, "labels", filter=here) == []
    assert store.extent(INDEX).bounds is None
    assert store.extent(INDEX).interval is None


def test_the_extent_of_one_tile(store: VectorStore) -> None:
    store.create_index(INDEX, D)
    store.upsert(INDEX, [tile_at(0, geometry=bbox_footprint([178, 1, -179, 2]))], random_vectors(1))
    assert store.extent(INDEX).bounds == Bounds(178, 1, 181, 2)


def test_indexes_and_aliases(store: VectorStore) -> None:
    assert store.indexes() == []
    for index in ("b.lbp.1", "a.hog.2", "a.hog.1"):
        store.create_index(index, D)
    assert store.indexes() == ["a.hog.1", "a.hog.2", "b.lbp.1"]
    with pytest.raises(Conflict, match=r"a\.hog\.1"):
        store.create_index("a.hog.1", D)
    store.set_alias("a", "a.hog.1")
    store.set_alias("b", "b.lbp.1")
    store.set_alias("a", "a.hog.2")
    assert store.aliases() == {"a": "a.hog.2", "b": "b.lbp.1"}
    store.drop_alias("b")
    store.drop_alias("b")
    assert store.aliases() == {"a": "a.hog.2"}
    store.drop_index("a.hog.2")
    store.drop_index("a.hog.2")
    assert store.aliases() == {}
    assert store.indexes() == ["a.hog.1", "b.lbp.1"]
    with pytest.raises(NotFound):
        store.set_alias("a", "a.hog.2")
    store.ping()


UNKNOWN: dict[str, Callable[[VectorStore], object]] = {
    "stats": lambda s: s.stats("x.y.1"),
    "upsert": lambda s: s.upsert("x.y.1", TILES[:1], random_vectors(1)),
    "flush": lambda s: s.flush("x.y.1"),
    "search": lambda s: s.search("x.y.1", QUERY, limit=1, filter=TileFilter()),
    "shortlist": lambda s: s.shortlist("x.y.1", QUERY, limit=1, filter=TileFilter()),
    "scroll": lambda s: s.scroll("x.y.1", limit=1, filter=TileFilter()),
    "retrieve": lambda s: s.retrieve("x.y.1", [TILES[0].id]),
    "retrieve_vectors": lambda s: s.retrieve_vectors("x.y.1", [TILES[0].id]),
    "scroll_sources": lambda s: s.scroll_sources("x.y.1", limit=1),
    "scroll_vectors": lambda s: s.scroll_vectors("x.y.1", limit=1),
    "copy_with_vectors": lambda s: s.copy_with_vectors(
        "x.y.1", "x.y.2", lambda old: old.embedding, step=lambda done, is_kept: None
    ),
    "count": lambda s: s.count("x.y.1", TileFilter()),
    "facet": lambda s: s.facet("x.y.1", "labels", filter=TileFilter()),
    "extent": lambda s: s.extent("x.y.1"),
    "set_records": lambda s: s.set_records("x.y.1", TILES[:1]),
    "delete": lambda s: s.delete("x.y.1", [TILES[0].id]),
}


@pytest.mark.parametrize("call", UNKNOWN)
def test_an_unknown_index_is_named(store: VectorStore, call: str) -> None:
    with pytest.raises(NotFound, match=r"x\.y\.1"):
        UNKNOWN[call](store)


def test_a_dropped_index_is_unknown(store: VectorStore) -> None:
    store.create_index(INDEX, D)
    store.upsert(INDEX, TILES[:1], random_vectors(1))
    store.drop_index(INDEX)
    with pytest.raises(NotFound):
        store.count(INDEX, TileFilter())
    store.create_index(INDEX, D)
    assert store.count(INDEX, TileFilter()) == 0


def test_vectors_of_another_model_are_refused(store: VectorStore) -> None:
    store.create_index(INDEX, D)
    with pytest.raises(ModelMismatch, match="16-d"):
        store.upsert(INDEX, TILES[:2], Embeddings(np.ones((2, 3), np.float32)))
    with pytest.raises(ModelMismatch, match="16-d"):
        store.search(INDEX, np.ones(3, np.float32), limit=1, filter=TileFilter())
    with pytest.raises(InvalidInput, match="2 tiles but 3 vectors"):
        store.upsert(INDEX, TILES[:2], random_vectors(3))


def test_a_snapshot_restores_an_equal_index(store: VectorStore, tmp_path: Path) -> None:
    store.create_index(INDEX, D)
    store.upsert(INDEX, TILES, VECTORS)
    store.snapshot(INDEX, tmp_path / "snapshot.zip")
    store.restore("copy.hog.1", tmp_path / "snapshot.zip")
    assert store.stats("copy.hog.1").size == N
    ids = [tile.id for tile in TILES]
    assert store.retrieve("copy.hog.1", ids) == store.retrieve(INDEX, ids)
    ours, theirs = store.retrieve_vectors(INDEX, ids), store.retrieve_vectors("copy.hog.1", ids)
    np.testing.assert_array_equal(ours.pair, theirs.pair)
    np.testing.assert_array_equal(ours.feature, theirs.feature)
    np.testing.assert_allclose(ours.embedding, theirs.embedding, atol=1e-6)
    with pytest.raises(Conflict):
        store.restore("copy.hog.1", tmp_path / "snapshot.zip")


def test_what_is_no_snapshot_is_refused(store: VectorStore, tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(InvalidInput, match="not a snapshot"):
        store.restore(INDEX, tmp_path / "text.zip")
    assert store.indexes() == []
