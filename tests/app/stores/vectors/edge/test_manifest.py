"""Files of a shard that were changed after it was closed are found before the engine reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import Damaged
from app.stores.vectors.edge.edge_store import EdgeVectorStore
from app.stores.vectors.edge.manifest import check_files, write_manifest
from tests.app.stores.vectors.edge.test_edge_store import INDEX, tiles, vectors


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of an index with 20 tiles, closed."""
    store = EdgeVectorStore(tmp_path, reserve=0)
    store.create_index(INDEX, 4)
    store.upsert(INDEX, tiles(range(20)), vectors(20))
    store.close()
    assert check_files(tmp_path / INDEX)
    return tmp_path / INDEX


def test_one_bit_in_any_file_with_content_is_found(folder: Path) -> None:
    files = [path for path in (folder / "shard").rglob("*") if path.is_file() and any(path.read_bytes())]
    assert len(files) > 10
    for path in files:
        original = path.read_bytes()
        place = next(place for place, byte in enumerate(original) if byte)
        path.write_bytes(original[:place] + bytes([original[place] ^ 1]) + original[place + 1 :])
        with pytest.raises(Damaged, match=f"{path.name} was changed after Dyad closed it"):
            check_files(folder)
        path.write_bytes(original)
        assert check_files(folder), "a copy without holes is the same file"


def test_a_shard_that_was_not_closed_is_not_known_to_be_intact(folder: Path) -> None:
    write_manifest(folder, is_open=True)
    assert check_files(folder) is False
