"""Search by the graph against exact search, a kind of filter at a time.

Over the test-only server, whose engine builds real graphs, or over the real one of `DYAD_TEST_QDRANT_URL`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray
from qdrant_client.http import models

from app.domain.places.geometry import bbox_footprint, parse_bbox
from app.domain.queries.search import TileFilter
from app.domain.temporal import Interval
from app.domain.tiles import Embeddings, Tile
from app.stores.vectors.conditions import EVERYTHING
from app.stores.vectors.qdrant.options import EXACT, QdrantOptions
from app.stores.vectors.qdrant.qdrant_store import QdrantVectorStore, connect

N = 4000
D = 32
INDEX = "ucm.hog.1"
START = datetime(2020, 1, 1, tzinfo=UTC)
FILTERS = {
    "none": TileFilter(),
    "a quarter of the world": TileFilter(region=parse_bbox([-85, -40, 85, 40])),
    "a country": TileFilter(region=parse_bbox([10, 10, 60, 50])),
    "a rare label": TileFilter(labels=("rare 3",)),
    "a common label": TileFilter(labels=("common 1",)),
    "a month": TileFilter(interval=Interval(START, START + timedelta(days=30))),
    "a label in a season": TileFilter(labels=("common 1",), interval=Interval(START, START + timedelta(days=90))),
    "a source": TileFilter(sources=("3.tif",)),
}


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    scaled: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled.astype(np.float32)


QUERIES = unit(np.random.default_rng(1).standard_normal((20, D)))


def tile_at(number: int, rng: np.random.Generator) -> Tile:
    lon, lat = rng.uniform(-170, 170), rng.uniform(-80, 80)
    return Tile(
        id=str(uuid.UUID(int=number)),
        source=f"{number % 10}.tif",
        file_name=f"{number % 10}.tif",
        content_hash=f"{number:032x}",
        image=f"{number}.tif",
        indexed_at=START,
        geometry=bbox_footprint([lon - 0.1, lat - 0.1, lon + 0.1, lat + 0.1]),
        datetime=START + timedelta(days=int(rng.integers(0, 360))),
        labels=(f"common {rng.integers(0, 3)}", f"rare {rng.integers(0, 20)}"),
    )


@pytest.fixture(scope="module")
def stores(qdrant_url: str) -> Iterator[dict[str, QdrantVectorStore]]:
    """One index with a graph and small vectors, seen by stores that differ in when they use them, and how wide."""
    client, prefix = connect(qdrant_url, timeout=120), f"test-{uuid.uuid4()}"
    exact = QdrantVectorStore(client, QdrantOptions(prefix=prefix))
    rng = np.random.default_rng(0)
    exact.create_index(INDEX, D)
    exact.upsert(INDEX, [tile_at(number, rng) for number in range(N)], Embeddings(unit(rng.standard_normal((N, D)))))
    client.update_collection(
        f"{prefix}.index.{INDEX}",
        hnsw_config=models.HnswConfigDiff(full_scan_threshold=10),  # KB; so that so few tiles are worth a graph
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=100),
    )
    while client.get_collection(f"{prefix}.index.{INDEX}").status != models.CollectionStatus.GREEN:
        time.sleep(0.2)
    assert (client.get_collection(f"{prefix}.index.{INDEX}").indexed_vectors_count or 0) >= N
    yield {
        "exact": exact,
        "graph": QdrantVectorStore(client, QdrantOptions(prefix=prefix, exact_below=0)),
        "few": QdrantVectorStore(client, QdrantOptions(prefix=prefix, exact_below=N // 2, search_ef=4)),
    }
    exact.drop_index(INDEX)
    client.close()


def recall(stores: dict[str, QdrantVectorStore], kind: str, name: str) -> float:
    shares = []
    for query in QUERIES:
        sought, found = (
            {hit.tile.id for hit in stores[each].search(INDEX, query, limit=10, filter=FILTERS[name])}
            for each in ("exact", kind)
        )
        shares.append(len(sought & found) / len(sought))
    return float(np.mean(shares))


@pytest.mark.parametrize("name", FILTERS)
def test_the_graph_finds_nearly_all_that_exact_search_finds(stores: dict[str, QdrantVectorStore], name: str) -> None:
    assert recall(stores, "graph", name) >= 0.95


def test_there_is_a_graph(stores: dict[str, QdrantVectorStore]) -> None:
    """A look at a single neighbour misses the nearest tile of some query."""
    index = stores["graph"]._index(INDEX)

    def nearest(params: models.SearchParams) -> list[str]:
        return [str(index._rank(query, 1, EVERYTHING, params, ())[0].id) for query in QUERIES]

    assert nearest(models.SearchParams(hnsw_ef=1)) != nearest(EXACT)


@pytest.mark.parametrize("name", [name for name in FILTERS if name != "none"])
def test_where_few_tiles_qualify_each_is_looked_at(stores: dict[str, QdrantVectorStore], name: str) -> None:
    assert stores["exact"].count(INDEX, FILTERS[name]) < N // 2
    assert recall(stores, "few", name) == 1
