"""An empty shard can be opened and written, and each one is independent of the others."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from app.domain.tiles import Embeddings, Tile
from app.stores.vectors.edge.edge_index import EdgeIndex
from app.stores.vectors.edge.empty_shard import write_empty_shard
from app.stores.vectors.payload import DATETIME_INDEX, FLOAT_INDEXES, GEO_INDEX, KEYWORD_INDEXES, to_payloads
from tests.support.small_disk import run_on_small_disk

ID = "0d0f3bd2-4d4b-5b0a-9c53-000000000001"
FULL = """
from app.errors import OutOfSpace
from app.stores.vectors.edge.empty_shard import write_empty_shard
try:
    write_empty_shard(disk / "shard", 8)
except OutOfSpace as error:
    print(error)
"""


def test_each_is_a_shard_of_its_own_with_all_payload_indexes(tmp_path: Path) -> None:
    for name, dimension in (("a", 8), ("b", 8), ("c", 16)):
        write_empty_shard(tmp_path / name, dimension)
    tile = Tile(ID, "a.jpg", "a.jpg", "ab", "a.jpg", datetime(2024, 1, 1, tzinfo=UTC))
    vector = np.eye(1, 8, dtype=np.float32)
    first, second, third = (EdgeIndex(tmp_path / name, 16 if name == "c" else 8, reserve=0) for name in "abc")
    first.upsert([(ID, vector[0].tolist(), to_payloads([tile], Embeddings(vector))[0])])
    assert [index.size() for index in (first, second, third)] == [1, 0, 0]
    with first._open() as shard:
        indexed = set(shard.info().payload_schema)
    assert indexed == {*KEYWORD_INDEXES, *FLOAT_INDEXES, DATETIME_INDEX, GEO_INDEX}
    for index in (first, second, third):
        index.close()
    again = EdgeIndex(tmp_path / "a", 8, reserve=0)
    assert again.retrieve([ID], ["source"]) == {ID: {"source": "a.jpg"}}
    again.close()


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    assert "is full; make room and try again" in run_on_small_disk(tmp_path, "64k", FULL)
