"""A batch is stored while the next one is embedded, and nothing that was read is lost when one fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from app.domain.naming.ids import tile_id
from app.domain.queries.search import TileFilter
from app.domain.tiles import Embeddings, Tile
from app.errors import InvalidBundle
from app.ports import Inference
from app.services.catalogue.collections import CollectionService
from app.services.ingest.events import ReadTile
from app.services.ingest.writer import BATCH, Writer
from app.stores.blobs.object_blobs import ObjectBlobs
from app.stores.vectors.edge.edge_store import EdgeVectorStore

INDEX = "c.m.1"
WAIT = 60.0


class Model:
    """Embeds by `rule`, which gets the number of the batch, from 1."""

    def __init__(self) -> None:
        self.card = SimpleNamespace(id="m")
        self.batches = 0

    def rule(self, number: int) -> None:
        """Nothing."""

    def embed(self, tiles: NDArray[np.uint8]) -> Embeddings:
        self.batches += 1
        self.rule(self.batches)
        return Embeddings(np.eye(4, dtype=np.float32)[np.arange(len(tiles)) % 4])


class Live:
    """The collection, whose index is always the same."""

    @contextmanager
    def writing(self, _: str) -> Iterator[Any]:
        yield SimpleNamespace(model="m", index=INDEX)


@pytest.fixture
def vectors(tmp_path: Path) -> Iterator[EdgeVectorStore]:
    store = EdgeVectorStore(tmp_path / "vectors")
    store.create_index(INDEX, 4)
    yield store
    store.close()


def make_writer(vectors: EdgeVectorStore, model: Model, tmp_path: Path) -> Writer:
    return Writer("c", cast(CollectionService, Live()), vectors, ObjectBlobs(tmp_path / "blobs"), cast(Inference, model))


def tile(number: int) -> ReadTile:
    name = f"{number}.jpg"
    when = datetime(2020, 1, 1, tzinfo=UTC)
    return ReadTile(Tile(tile_id("c", name, ""), name, name, "0" * 64, "image", when), np.zeros((2, 2, 3), np.uint8))


def stored(vectors: EdgeVectorStore) -> int:
    return vectors.count(INDEX, TileFilter())


def test_a_batch_is_stored_while_the_next_one_is_embedded(vectors: EdgeVectorStore, tmp_path: Path) -> None:
    model, is_stored = Model(), threading.Event()
    model.rule = lambda number: None if number == 1 or is_stored.wait(WAIT) else pytest.fail("not stored meanwhile")  # type: ignore[method-assign]
    with make_writer(vectors, model, tmp_path) as writer:
        for number in range(2 * BATCH):
            writer.add(tile(number))
        assert stored(vectors) == BATCH
        assert writer.waiting == 2 * BATCH
        is_stored.set()
        assert writer.flush() == [tile(number).tile.id for number in range(2 * BATCH)]
        assert (stored(vectors), writer.waiting) == (2 * BATCH, 0)


def test_what_was_read_before_and_after_a_failing_batch_is_stored(vectors: EdgeVectorStore, tmp_path: Path) -> None:
    model = Model()

    def fail(number: int) -> None:
        if number == 2:
            raise InvalidBundle("broken")

    model.rule = fail  # type: ignore[method-assign]
    with make_writer(vectors, model, tmp_path) as writer:
        with pytest.raises(InvalidBundle):
            for number in range(4 * BATCH):
                writer.add(tile(number))
        assert len(writer.flush()) == 2 * BATCH
    assert stored(vectors) == 2 * BATCH


def test_no_thread_is_left(vectors: EdgeVectorStore, tmp_path: Path) -> None:
    with make_writer(vectors, Model(), tmp_path) as writer:
        for number in range(BATCH):
            writer.add(tile(number))
        writer.flush()
    assert not any(thread.name.startswith("dyad-embed") for thread in threading.enumerate())
