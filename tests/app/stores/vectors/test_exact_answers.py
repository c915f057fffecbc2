from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from app.domain.places.geometry import Region, bbox_footprint, parse_bbox, parse_region
from app.domain.queries.search import TileFilter
from app.domain.tiles import Embeddings, Tile
from app.stores.vectors import exact_answers
from app.stores.vectors.edge.edge_store import EdgeVectorStore

INDEX = "a.b.1"
QUERY = np.array([1, 0, 0, 0], np.float32)
N = 400
TRIANGLE = parse_region({"type": "Polygon", "coordinates": [[[0, 0], [20, 0], [0, 20], [0, 0]]]})
BOX = parse_bbox([0.25, 0.25, 10.25, 10.25])


def grid(size: float) -> tuple[list[Tile], Embeddings]:
    """20 x 20 square tiles, 1 degree apart; the further east, the less like the query."""
    tiles, rows = [], []
    for number in range(N):
        x, y = number % 20, number // 20
        tiles.append(
            Tile(
                id=str(uuid.uuid5(uuid.NAMESPACE_URL, str(number))),
                source="s",
                file_name="s",
                content_hash="",
                image="i",
                indexed_at=datetime(2024, 1, 1, tzinfo=UTC),
                geometry=bbox_footprint([x, y, x + size, y + size]),
                labels=(f"row {y % 3}",),
            )
        )
        angle = 0.05 * x + 0.001 * y
        rows.append([np.cos(angle), np.sin(angle), 0, 0])
    return tiles, Embeddings(np.array(rows, np.float32))


@pytest.mark.parametrize("region", [TRIANGLE, BOX], ids=["triangle", "box"])
@pytest.mark.parametrize("size", [0.5, 3.0], ids=["small tiles", "tiles that overlap"])
@pytest.mark.parametrize("outlier", [False, True], ids=["alike", "beside a tile as large as a continent"])
def test_over_the_limit_only_the_edge_is_counted_by_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, region: Region, size: float, outlier: bool
) -> None:
    tiles, vectors = grid(size)
    if outlier:
        tiles[0] = replace(tiles[0], geometry=bbox_footprint([-60, -50, 60, 60]))
    store = EdgeVectorStore(tmp_path, reserve=0)
    store.create_index(INDEX, 4)
    store.upsert(INDEX, tiles, vectors)
    true = [tile for tile in tiles if tile.geometry is not None and region.intersects(tile.geometry)]
    bounds = Region(region.geometry.envelope, region.bounds)
    loose = [tile for tile in tiles if tile.geometry is not None and bounds.intersects(tile.geometry)]
    there = TileFilter(region=region)
    assert store.count(INDEX, there) == len(true)
    assert sum(n for _, n in store.facet(INDEX, "labels", filter=there)) == len(true)
    monkeypatch.setattr(exact_answers, "MAX_REFINED", 3)
    monkeypatch.setattr(exact_answers, "_CHUNK", 4)
    assert exact_answers.count(store._index(INDEX), there) == len(loose)
    assert sum(n for _, n in store.facet(INDEX, "labels", filter=there)) == len(loose)
    store.close()


def test_a_broad_region_that_holds_only_bad_matches_is_searched_to_the_end(tmp_path: Path) -> None:
    tiles, vectors = grid(0.5)
    store = EdgeVectorStore(tmp_path, reserve=0)
    store.create_index(INDEX, 4)
    store.upsert(INDEX, tiles, vectors)
    far = TileFilter(region=parse_bbox([12.0, -1.0, 30.0, 30.0]))
    hits = store.search(INDEX, QUERY, limit=3, filter=far)
    nearest = sorted(range(N), key=lambda number: -float(vectors.embedding[number] @ QUERY))
    expected = [tiles[number].id for number in nearest if number % 20 >= 12][:3]
    assert [hit.tile.id for hit in hits] == expected
    assert len(store.search(INDEX, QUERY, limit=1000, filter=far)) == 8 * 20
    store.close()
