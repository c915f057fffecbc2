from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from app.atomic_files import copy_tree
from app.domain.queries.search import TileFilter
from app.ports import VectorStore
from app.stores.vectors.edge import edge_index
from app.stores.vectors.edge.edge_index import EdgeIndex
from app.stores.vectors.edge.edge_store import EdgeVectorStore
from tests.app.stores.vectors.edge.test_edge_store import INDEX, QUERY, tiles, vectors
from tests.support.small_disk import ROOT, run_on_small_disk

NEW = "ucm.new.1"


@pytest.fixture
def store(tmp_path: Path) -> EdgeVectorStore:
    store = EdgeVectorStore(tmp_path, reserve=0)
    store.create_index(INDEX, 4)
    store.upsert(INDEX, tiles(range(300)), vectors(300))
    return store


def mirror(store: VectorStore) -> None:
    """Make `NEW` of `INDEX`, every vector turned round."""
    assert store.copy_with_vectors(INDEX, NEW, lambda old: -old.embedding, step=lambda done, is_kept: None)


def test_what_was_made_is_there_after_a_restart(store: EdgeVectorStore, tmp_path: Path) -> None:
    mirror(store)
    ids = [tile.id for tile in tiles(range(300))]
    made = store.retrieve_vectors(INDEX, ids).embedding
    store.close()
    again = EdgeVectorStore(tmp_path, reserve=0)
    np.testing.assert_array_equal(again.retrieve_vectors(NEW, ids).embedding, -made)
    np.testing.assert_array_equal(again.retrieve_vectors(INDEX, ids).embedding, made)
    again.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.app.stores.vectors.edge import test_copy_shard as here
store = here.EdgeVectorStore(Path(sys.argv[1]), reserve=0)
def step(done, is_kept):
    if done >= 100:
        os.kill(os.getpid(), signal.SIGKILL)
store.copy_with_vectors(here.INDEX, here.NEW, lambda old: -old.embedding, step=step)
"""


def test_nothing_is_left_of_one_that_was_killed(store: EdgeVectorStore, tmp_path: Path) -> None:
    store.close()
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / NEW).exists()
    again = EdgeVectorStore(tmp_path, reserve=0)
    assert again.indexes() == [INDEX]
    assert not (tmp_path / NEW).exists()
    mirror(again)
    assert again.stats(NEW).size == 300
    again.close()


def test_searches_go_on_and_writes_wait_while_files_are_copied(
    store: EdgeVectorStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    order: list[str] = []
    opened = store._index(INDEX)

    def write() -> None:
        store.upsert(INDEX, tiles(range(300, 310)), vectors(10))
        order.append("written")

    writer = threading.Thread(target=write)

    def copying(source: Path, target: Path) -> None:
        writer.start()
        writer.join(0.2)
        assert len(store.search(INDEX, QUERY, limit=1000, filter=TileFilter())) == 300
        order.append("copied")
        copy_tree(source, target)

    monkeypatch.setattr(edge_index, "copy_tree", copying)
    opened.copy_to(tmp_path / "copy")
    writer.join()
    assert order == ["copied", "written"]
    copy = EdgeIndex(tmp_path / "copy", 4, reserve=0)
    assert (copy.size(), opened.size()) == (300, 310)
    copy.close()
    store.close()


def test_a_copy_keeps_the_holes_in_files(store: EdgeVectorStore, tmp_path: Path) -> None:
    mirror(store)
    store.close()
    files = [path.stat() for path in (tmp_path / NEW).rglob("*")]
    assert sum(file.st_blocks for file in files) * 512 < sum(file.st_size for file in files) / 20


FULL = """
import os
from app.errors import OutOfSpace
from tests.app.stores.vectors.edge import test_copy_shard as here
store = here.EdgeVectorStore(disk, reserve=0)
store.create_index(here.INDEX, 4)
store.upsert(here.INDEX, here.tiles(range(300)), here.vectors(300))
store.flush(here.INDEX)
free = os.statvfs(disk)
filler = disk / "filler"
filler.write_bytes(bytes(free.f_bavail * free.f_frsize - 100_000))
try:
    here.mirror(store)
except OutOfSpace as error:
    print(error)
print(sorted(path.name for path in disk.iterdir()))
filler.unlink()
here.mirror(store)
print(store.stats(here.NEW).size)
store.close()
"""


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    said = run_on_small_disk(tmp_path, "300m", FULL).splitlines()
    assert "is full" in said[0]
    assert said[1:] == ["['filler', 'ucm.hog.1']", "300"]
