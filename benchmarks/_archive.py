"""A collection of synthetic tiles: random vectors at random locations."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.container import Container
from app.domain.naming.ids import tile_id
from app.domain.tiles import Embeddings, Tile
from app.settings import load_settings
from models.bundle.card import ModelCard

BATCH = 100
SIDE = 0.05
"""Degrees: the side of a tile's footprint; tiles lie anywhere between 60 south and 60 north."""


@dataclass(frozen=True, slots=True)
class Archive:
    """ids: of the tiles, in the order in which they were written. embeddings: (N, D) float32, L2-normalised.

    places: (N, 2) float64, longitudes and latitudes of the lower left corners in degrees.
    """

    ids: list[str]
    embeddings: NDArray[np.float32]
    places: NDArray[np.float64]


def fill(home: Path, collection: str, model: str, size: int) -> Archive:
    """Make a collection of `size` tiles in a state folder, with all that the model makes of a tile: random numbers."""
    random = np.random.default_rng(0)
    container = Container(load_settings({}, home=home))
    card = container.models.load(model).card
    vectors = random.normal(size=(size, card.dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    places = random.uniform((-180, -60), (179.9, 60), (size, 2))
    container.collections.create(collection, model=model)
    index = container.collections.live(collection).index
    ids = [tile_id(collection, f"{number}.tif", "") for number in range(size)]
    for start in range(0, size, BATCH):
        span = range(start, min(start + BATCH, size))
        tiles = [archive_tile(collection, ids[number], number, *places[number]) for number in span]
        container.vectors.upsert(index, tiles, _made(card, vectors[span.start : span.stop], random))
    container.vectors.flush(index)
    container.close()
    return Archive(ids, vectors, places)


def wait_for_search_table(tiles: int) -> None:
    """Wait until services have built the search tables of so many tiles, which their first search begins."""
    time.sleep(max(2.0, tiles / 8_000))


def _made(card: ModelCard, vectors: NDArray[np.float32], random: np.random.Generator) -> Embeddings:
    count, feature, pair = len(vectors), card.feature_dimension, card.pair_dimension
    return Embeddings(
        vectors,
        random.normal(size=(count, feature)).astype(np.float16) if feature else None,
        random.integers(0, 256, (count, pair), dtype=np.uint8) if pair else None,
    )


def archive_tile(collection: str, item_id: str, number: int, west: float, south: float) -> Tile:
    """The tile `number`, with one of 20 labels; its lower left corner is given in degrees."""
    ring = [[west, south], [west + SIDE, south], [west + SIDE, south + SIDE], [west, south + SIDE], [west, south]]
    when = datetime(2015, 1, 1, tzinfo=UTC) + timedelta(hours=number % 50_000)
    return Tile(
        id=item_id,
        source=f"{number}.tif",
        file_name=f"{number}.tif",
        content_hash=f"{number:064x}",
        image=f"collections/{collection}/{item_id}.tif",
        indexed_at=when,
        geometry={"type": "Polygon", "coordinates": [ring]},
        datetime=when,
        labels=(f"class-{number % 20}",),
    )
