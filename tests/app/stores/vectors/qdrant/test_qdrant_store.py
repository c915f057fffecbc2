from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient
from qdrant_client.http import models

from app.domain.queries.search import TileFilter
from app.domain.tiles import Embeddings, Tile
from app.errors import IndexTooNew, Unavailable
from app.ports.wait_limit import limited_wait
from app.stores.vectors.qdrant.calls import Calls
from app.stores.vectors.qdrant.format import FIELDS, FORMAT, check_server
from app.stores.vectors.qdrant.options import QdrantOptions
from app.stores.vectors.qdrant.qdrant_store import QdrantVectorStore, connect
from tests.support.qdrant import QdrantProcess

INDEX = "ucm.hog.1"
NOWHERE = "http://127.0.0.1:1"
EVERYTHING = TileFilter()


def tiles(count: int) -> list[Tile]:
    now = datetime(2020, 1, 1, tzinfo=UTC)
    return [
        Tile(str(uuid.UUID(int=number)), f"{number}.tif", f"{number}.tif", f"{number:032x}", f"{number}.tif", indexed_at=now)
        for number in range(count)
    ]


def vectors(count: int) -> Embeddings:
    rows = np.random.default_rng(0).standard_normal((count, 8)).astype(np.float32)
    return Embeddings(rows / np.linalg.norm(rows, axis=1, keepdims=True))


@pytest.fixture
def own(tmp_path: Path) -> Iterator[QdrantProcess]:
    """A server that the test may break."""
    with QdrantProcess(tmp_path / "qdrant") as server:
        yield server


@pytest.fixture
def client(qdrant_url: str) -> Iterator[QdrantClient]:
    opened = connect(qdrant_url)
    yield opened
    opened.close()


@pytest.fixture
def store(client: QdrantClient) -> Iterator[QdrantVectorStore]:
    made = QdrantVectorStore(client, QdrantOptions(prefix=f"test-{uuid.uuid4()}", patience=0))
    yield made
    for index in made.indexes():
        made.drop_index(index)


def collection(store: QdrantVectorStore) -> str:
    return f"{store._options.prefix}.index.{INDEX}"


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    store = QdrantVectorStore(connect(NOWHERE, timeout=1), QdrantOptions(patience=0))
    for call in (store.ping, store.indexes, store.aliases, lambda: store.stats("a.b.1")):
        with pytest.raises(Unavailable, match="DYAD_VECTORS_URL"):
            call()
    store.close()


def test_nobody_who_is_in_a_hurry_waits_for_a_server_that_is_away() -> None:
    store = QdrantVectorStore(connect(NOWHERE, timeout=1), QdrantOptions(patience=3600))
    with limited_wait(0), pytest.raises(Unavailable):
        store.indexes()
    with pytest.raises(Unavailable):
        store.ping()
    store.close()


def test_a_write_goes_through_when_the_server_comes_back(own: QdrantProcess, caplog: pytest.LogCaptureFixture) -> None:
    store = QdrantVectorStore(connect(own.url), QdrantOptions(patience=60))
    store.create_index(INDEX, 8)
    store.upsert(INDEX, tiles(150), vectors(150))
    own.kill()
    back = threading.Timer(0.5, own.start)
    back.start()
    with caplog.at_level(logging.WARNING):
        store.upsert(INDEX, tiles(300), vectors(300))
    back.join()
    assert "retrying" in caplog.text
    assert store.stats(INDEX).size == 300  # what was acknowledged before the kill is there, nothing is there twice
    store.close()


def test_a_server_that_hangs_is_unavailable_and_nothing_waits_for_ever(own: QdrantProcess) -> None:
    store = QdrantVectorStore(connect(own.url, timeout=1), QdrantOptions(patience=0))
    own.freeze()
    with pytest.raises(Unavailable, match="timed out"):
        store.indexes()
    own.thaw()
    assert store.indexes() == []
    store.close()


def test_a_server_that_wants_a_key(tmp_path: Path) -> None:
    with QdrantProcess(tmp_path / "qdrant", api_key="secret") as server:
        without = QdrantVectorStore(connect(server.url), QdrantOptions(patience=0))
        with pytest.raises(Unavailable, match="DYAD_QDRANT_API_KEY"):
            without.indexes()
        with_key = QdrantVectorStore(connect(server.url, api_key="secret"))
        assert with_key.indexes() == []
        for store in (without, with_key):
            store.close()


def test_an_index_is_laid_out_as_the_options_say(client: QdrantClient) -> None:
    options = QdrantOptions(
        prefix=f"test-{uuid.uuid4()}", shards=2, replicas=1, on_disk=True, hnsw_m=24, hnsw_ef_construct=200, patience=0
    )
    store = QdrantVectorStore(client, options)
    store.create_index(INDEX, 8)
    info = client.get_collection(f"{options.prefix}.index.{INDEX}")
    config = info.config
    assert isinstance(config.params.vectors, models.VectorParams)
    assert (config.params.vectors.size, config.params.vectors.on_disk) == (8, True)
    assert (config.params.shard_number, config.params.replication_factor, config.params.write_consistency_factor) == (2, 1, 1)
    assert (config.hnsw_config.m, config.hnsw_config.ef_construct) == (24, 200)
    assert isinstance(config.quantization_config, models.ScalarQuantization)
    assert {field: schema.data_type for field, schema in info.payload_schema.items()} == FIELDS
    store.drop_index(INDEX)


def test_most_replicas_must_have_a_write_unless_told_otherwise() -> None:
    assert [QdrantOptions(replicas=n).layout().write_consistency_factor for n in (1, 2, 3, 4)] == [1, 2, 2, 3]
    assert QdrantOptions(replicas=3, write_consistency=1).layout().write_consistency_factor == 1
    assert QdrantOptions(quantization="none").layout().quantization_config is None


def test_two_services_share_a_server_under_their_prefixes(store: QdrantVectorStore, client: QdrantClient) -> None:
    other = QdrantVectorStore(client, QdrantOptions(prefix=f"test-{uuid.uuid4()}", patience=0))
    store.create_index(INDEX, 8)
    store.set_alias("ucm", INDEX)
    assert (other.indexes(), other.aliases()) == ([], {})


def test_an_index_of_an_older_version_is_brought_up_to_date(store: QdrantVectorStore, client: QdrantClient) -> None:
    name = collection(store)
    client.create_collection(name, vectors_config=models.VectorParams(size=8, distance=models.Distance.COSINE))
    client.create_payload_index(name, "labels", models.PayloadSchemaType.KEYWORD)
    store.upsert(INDEX, tiles(10), vectors(10))
    info = client.get_collection(name)
    assert set(info.payload_schema) == set(FIELDS)
    assert info.config.metadata == {"dyad": {"format": FORMAT}}
    assert store.count(INDEX, EVERYTHING) == 10


def test_an_index_of_a_newer_version_is_refused_with_the_way_out(store: QdrantVectorStore, client: QdrantClient) -> None:
    store.create_index(INDEX, 8)
    client.update_collection(collection(store), metadata={"dyad": {"format": FORMAT + 1}})
    with pytest.raises(IndexTooNew, match="upgrade Dyad"):
        store.stats(INDEX)


@pytest.mark.parametrize("version", ["1.16.0", "1.20.1", "2.0.0", "dev"])
def test_a_server_that_is_new_enough(version: str) -> None:
    check_server(version)


@pytest.mark.parametrize("version", ["1.15.9", "0.11.7"])
def test_a_server_that_is_too_old(version: str) -> None:
    with pytest.raises(Unavailable, match=r"upgrade it to 1\.16"):
        check_server(version)


def test_a_search_with_its_records_is_one_request(store: QdrantVectorStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first stage of a two-stage search reads records, candidate features and embeddings; its index is known already."""
    made = vectors(300)
    pairs = np.arange(300 * 4, dtype=np.uint32).astype(np.uint8).reshape(300, 4)
    store.create_index(INDEX, 8)
    known = [replace(tile, labels=("a",) if number % 2 else ("b",)) for number, tile in enumerate(tiles(300))]
    store.upsert(INDEX, known, Embeddings(made.embedding, None, pairs))
    store.search(INDEX, made.embedding[0], limit=1, filter=EVERYTHING)  # reads the size of the index
    asked: list[str] = []
    call = Calls.__call__

    def counted(self: Calls, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        asked.append(function.__name__)
        return call(self, function, *args, **kwargs)

    monkeypatch.setattr(Calls, "__call__", counted)
    for tile_filter in (EVERYTHING, TileFilter(labels=("a",)), TileFilter(exclude_ids=(known[0].id,))):
        asked.clear()
        found = store.shortlist(INDEX, made.embedding[0], limit=100, filter=tile_filter, pairs=True, embeddings=True)
        tile = found.read(0)
        assert asked == ["query_points"], tile_filter
        assert (len(found), tile.id, found.ids[0]) == (100, found.ids[0], tile.id)
        assert found.pairs is not None
        assert found.embeddings is not None
        number = uuid.UUID(tile.id).int
        np.testing.assert_array_equal(found.pairs[0], pairs[number])
        np.testing.assert_allclose(found.embeddings[0], made.embedding[number], atol=1e-6)
        assert not tile_filter.labels or tile.labels == ("a",)
    asked.clear()
    assert len(store.search(INDEX, made.embedding[0], limit=10, filter=EVERYTHING)) == 10
    assert asked == ["query_points"]
