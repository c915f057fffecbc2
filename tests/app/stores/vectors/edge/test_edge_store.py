from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import uuid
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from app.domain.places.geometry import bbox_footprint, parse_bbox
from app.domain.queries.search import TileFilter
from app.domain.tiles import Embeddings, Tile
from app.errors import InvalidInput, NotFound, OutOfSpace, Unavailable
from app.stores.vectors.edge.edge_store import EdgeVectorStore
from tests.support.small_disk import ROOT

INDEX = "ucm.hog.1"
QUERY = np.array([1, 0, 0, 0], np.float32)


def tiles(numbers: range, label: str = "a") -> list[Tile]:
    return [
        Tile(
            id=str(uuid.uuid5(uuid.NAMESPACE_URL, str(number))),
            source=f"{number}.jpg",
            file_name=f"{number}.jpg",
            content_hash=str(number),
            image=f"images/{number}.jpg",
            indexed_at=datetime(2024, 1, 1, tzinfo=UTC),
            labels=(label,),
            geometry=bbox_footprint([number % 90, 0, number % 90 + 0.5, 1]),
        )
        for number in numbers
    ]


def vectors(n: int) -> Embeddings:
    rows = np.random.default_rng(n).standard_normal((n, 4)).astype(np.float32)
    return Embeddings(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def test_a_closed_store_opens_again_as_it_was(tmp_path: Path) -> None:
    store = EdgeVectorStore(tmp_path, reserve=0)
    store.create_index(INDEX, 4)
    store.upsert(INDEX, tiles(range(250)), vectors(250))
    store.set_alias("ucm", INDEX)
    hits = store.search(INDEX, QUERY, limit=20, filter=TileFilter())
    generation = store.stats(INDEX).generation
    store.close()
    again = EdgeVectorStore(tmp_path, reserve=0)
    assert again.aliases() == {"ucm": INDEX}
    assert again.indexes() == [INDEX]
    assert again.search(INDEX, QUERY, limit=20, filter=TileFilter()) == hits
    assert again.stats(INDEX).generation != generation
    again.close()


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_edge_store as here
store = here.EdgeVectorStore(Path(sys.argv[1]), reserve=0)
store.create_index(here.INDEX, 4)
store.upsert(here.INDEX, here.tiles(range(1000)), here.vectors(1000))
store.set_alias("ucm", here.INDEX)
store.flush(here.INDEX)
store.upsert(here.INDEX, here.tiles(range(1000, 1300)), here.vectors(300))
store.delete(here.INDEX, [tile.id for tile in here.tiles(range(5))])
(Path(sys.argv[1]) / ".part-abc").mkdir()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_written_survives_a_killed_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parent)]
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    store = EdgeVectorStore(tmp_path, reserve=0)
    assert store.aliases() == {"ucm": INDEX}
    assert store.retrieve(INDEX, [tile.id for tile in tiles(range(5, 1300))]) == {
        tile.id: tile for tile in tiles(range(5, 1300))
    }
    assert store.stats(INDEX).size == 1295
    assert len(store.search(INDEX, QUERY, limit=1000, filter=TileFilter(region=parse_bbox([-1, -1, 91, 2])))) == 1000
    assert not list(tmp_path.glob(".part-*"))
    store.close()


def test_threads_write_and_read_at_once(tmp_path: Path) -> None:
    store = EdgeVectorStore(tmp_path, reserve=0)
    store.create_index(INDEX, 4)
    store.upsert(INDEX, tiles(range(200), "old"), vectors(200))
    errors: list[BaseException] = []

    def write(label: str) -> None:
        try:
            for start in range(0, 1000, 100):
                store.upsert(INDEX, tiles(range(start, start + 100), label), vectors(100))
                store.flush(INDEX)
        except Unavailable as error:
            errors.append(error)

    def read() -> None:
        try:
            for _ in range(40):
                assert len(store.search(INDEX, QUERY, limit=50, filter=TileFilter(region=parse_bbox([0, 0, 90, 2])))) == 50
                store.count(INDEX, TileFilter(labels=("x", "y")))
                store.extent(INDEX)
        except (AssertionError, Unavailable) as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(label,)) for label in ("x", "y")]
    threads += [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert store.stats(INDEX).size == 1000
    counts = dict(store.facet(INDEX, "labels", filter=TileFilter()))
    assert sum(counts.values()) == 1000
    store.close()


def test_counts_follow_the_writes(tmp_path: Path) -> None:
    store = EdgeVectorStore(tmp_path, reserve=0)
    store.create_index(INDEX, 4)
    here = TileFilter(region=parse_bbox([0, 0, 90, 2]))
    for size in (10, 20):
        store.upsert(INDEX, tiles(range(size)), vectors(size))
        assert store.count(INDEX, here) == store.count(INDEX, here) == size
    store.close()


def test_a_disk_that_is_nearly_full_takes_no_more(tmp_path: Path) -> None:
    store = EdgeVectorStore(tmp_path, reserve=0)
    store.create_index(INDEX, 4)
    store.upsert(INDEX, tiles(range(10)), vectors(10))
    store.close()
    full = EdgeVectorStore(tmp_path, reserve=1 << 60)
    with pytest.raises(OutOfSpace, match="make room"):
        full.upsert(INDEX, tiles(range(20)), vectors(20))
    with pytest.raises(OutOfSpace):
        full.create_index("ucm.hog.2", 4)
    assert full.stats(INDEX).size == 10
    assert full.indexes() == [INDEX]
    full.close()


@pytest.mark.parametrize("name", ["", "../a", "a/b", ".part-a", "..", "a b"])
def test_index_names_stay_under_the_root(tmp_path: Path, name: str) -> None:
    store = EdgeVectorStore(tmp_path / "vectors", reserve=0)
    with pytest.raises(InvalidInput, match="index name"):
        store.create_index(name, 4)


def test_an_index_closed_beneath_a_reader_is_not_found(tmp_path: Path) -> None:
    store = EdgeVectorStore(tmp_path, reserve=0)
    store.create_index(INDEX, 4)
    opened = store._index(INDEX)
    store.drop_index(INDEX)
    with pytest.raises(NotFound, match="closed"):
        opened.size()


def test_a_broken_shard_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / INDEX).mkdir()
    (tmp_path / INDEX / "index.json").write_text(json.dumps({"dimension": 4}))
    store = EdgeVectorStore(tmp_path, reserve=0)
    with pytest.raises(Unavailable, match="vector store"):
        store.stats(INDEX)


def test_a_folder_that_went_away_is_unavailable(tmp_path: Path) -> None:
    store = EdgeVectorStore(tmp_path / "vectors", reserve=0)
    (tmp_path / "vectors").rmdir()
    with pytest.raises(Unavailable, match="missing"):
        store.ping()
