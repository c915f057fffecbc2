"""What is asked of a vector store before files are read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typing_extensions import override

from app.domain.collections import Collection, Scaling
from app.domain.naming.ids import tile_id
from app.domain.tiles import Embeddings, Tile
from app.imagery.tiling.tiler import CutSpec
from app.inference.handcrafted.hog import CARD
from app.services.ingest.file_reader import FileReader
from app.services.ingest.incoming.sources import Rejection, SourceFile
from app.services.ingest.look_up_groups import LOOKED_UP, LOOKED_UP_BYTES
from app.stores.blobs.object_blobs import ObjectBlobs
from app.stores.vectors.edge.edge_store import EdgeVectorStore

NOW = datetime(2020, 1, 1, tzinfo=UTC)
INDEX = "c.hog.1"


class Counting(EdgeVectorStore):
    """Counts the questions."""

    asked = 0

    @override
    def facet(self, *arguments: Any, **options: Any) -> list[tuple[str, int]]:
        self.asked += 1
        return super().facet(*arguments, **options)


@pytest.fixture
def vectors(tmp_path: Path) -> Iterator[Counting]:
    store = Counting(tmp_path / "vectors")
    store.create_index(INDEX, 4)
    yield store
    store.close()


@pytest.fixture
def reader(vectors: Counting, tmp_path: Path) -> FileReader:
    collection = Collection(id="c", model="hog", created=NOW, updated=NOW)
    spec = CutSpec(64, 64, None, 3, Scaling(), 64, 10**8)
    return FileReader(collection, CARD, spec, INDEX, vectors, ObjectBlobs(tmp_path / "blobs"))


def indexed(vectors: Counting, *names: str) -> None:
    tiles = [Tile(tile_id("c", name, str(part)), name, name, "0" * 64, "image", NOW) for name in names for part in range(3)]
    vectors.upsert(INDEX, tiles, Embeddings(np.eye(4, dtype=np.float32)[np.arange(len(tiles)) % 4]))


def test_many_files_are_one_question(vectors: Counting, reader: FileReader) -> None:
    indexed(vectors, "5.jpg", "140.jpg")
    files = [SourceFile(f"{number}.jpg", Path(f"{number}.jpg")) for number in range(2 * LOOKED_UP + 20)]
    found = list(reader.look_up([*files, Rejection("bad.jpg", "no image")]))
    assert [source.name for source in found if isinstance(source, SourceFile)] == [file.name for file in files]
    assert [source.name for source in found if isinstance(source, SourceFile) and source.is_known] == ["5.jpg", "140.jpg"]
    assert found[-1] == Rejection("bad.jpg", "no image")
    assert vectors.asked == 3


def test_copies_that_wait_to_be_read_take_little_room(vectors: Counting, reader: FileReader, tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(LOOKED_UP_BYTES)
    taken: list[int] = []

    def unpacked() -> Iterator[SourceFile]:
        for number in range(6):
            taken.append(number)
            yield SourceFile(f"{number}.jpg", large, temporary=True)

    found = reader.look_up(unpacked())
    next(found)
    assert taken == [0, 1]
    assert len(list(found)) == 5


def test_nothing_to_look_up(vectors: Counting, reader: FileReader) -> None:
    assert list(reader.look_up([])) == []
    assert list(reader.look_up([Rejection("bad.jpg", "no image")])) == [Rejection("bad.jpg", "no image")]
    assert vectors.asked == 0
