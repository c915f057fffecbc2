"""Which stores belong together: a start that would take the data of another installation, or of a missing disk, for garbage."""

from __future__ import annotations

import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.container import Container
from app.domain.tiles import Embeddings, Tile
from app.errors import Conflict, StartupError
from app.settings import load_settings


def opened(home: Path, *, takes_over: bool = False, **settings: Any) -> Container:
    container = Container(load_settings({}, home=home, threads=1, **settings), takes_over=takes_over)
    container.start()
    return container


def make(home: Path, name: str = "c", **settings: Any) -> None:
    """A home with one collection of one tile."""
    container = opened(home, **settings)
    try:
        container.collections.create(name, model="hog")
        fill(container, name)
    finally:
        container.close()


def fill(container: Container, name: str) -> None:
    index = container.collections.live(name).index
    image = f"collections/{name}/ab/image.png"
    tile = Tile(str(uuid.UUID(int=1)), "a.png", "a.png", "0", image, datetime(2026, 1, 1, tzinfo=UTC))
    dimension = container.vectors.stats(index).dimension
    container.vectors.upsert(index, [tile], Embeddings(np.eye(1, dimension, dtype=np.float32)))
    container.blobs.put(image, b"image")


def size(home: Path, name: str = "c", **settings: Any) -> int:
    container = opened(home, **settings)
    try:
        return container.collections.info(name).size
    finally:
        container.close()


def unmarked(home: Path) -> None:
    """Remove what a version without identities does not write."""
    (home / "identity").unlink(missing_ok=True)
    for marker in (home / "blobs" / "installation.json", home.parent / "blobs" / "installation.json"):
        marker.unlink(missing_ok=True)
    for index in (home / "vectors").glob("*/index.json"):
        index.with_name("manifest.json").unlink()
        index.write_text(index.read_text().split(",")[0].rstrip("}") + "}")


@pytest.fixture
def prefix(qdrant_url: str) -> dict[str, Any]:
    return {"vectors_url": qdrant_url, "qdrant_prefix": f"t{uuid.uuid4().hex[:8]}", "qdrant_patience": 5}


def test_a_second_home_on_one_prefix_is_refused(tmp_path: Path, prefix: dict[str, Any]) -> None:
    make(tmp_path / "first", **prefix)
    with pytest.raises(StartupError, match="DYAD_QDRANT_PREFIX"):
        opened(tmp_path / "second", **prefix)
    assert size(tmp_path / "first", **prefix) == 1


def test_a_second_home_on_the_prefix_of_an_older_version_is_refused(tmp_path: Path, prefix: dict[str, Any]) -> None:
    from app.stores.vectors.qdrant.options import QdrantOptions
    from app.stores.vectors.qdrant.qdrant_store import QdrantVectorStore, connect

    store = QdrantVectorStore(connect(prefix["vectors_url"]), QdrantOptions(prefix=prefix["qdrant_prefix"]))
    store.create_index("c.hog.1", 4)
    with pytest.raises(StartupError, match="DYAD_QDRANT_PREFIX"):
        opened(tmp_path / "second", **prefix)
    assert store.owners() == {"c.hog.1": ""}
    store.close()


def test_two_empty_homes_on_one_prefix_do_not_mix(tmp_path: Path, prefix: dict[str, Any]) -> None:
    first, second = opened(tmp_path / "first", **prefix), opened(tmp_path / "second", **prefix)
    first.collections.create("c", model="hog")
    with pytest.raises(Conflict, match="another installation"):
        second.collections.create("d", model="hog")
    with pytest.raises(Conflict, match="another installation"):
        second.vectors.drop_index("c.hog.1")
    second.garbage.collect_at_start()
    assert [entry.id for entry in second.garbage.delete_quarantined()] == ["index/d.hog.1"]  # only its record exists
    assert first.vectors.indexes() == ["c.hog.1"]
    first.close()
    second.close()
    assert size(tmp_path / "first", **prefix) == 0


@pytest.mark.parametrize("is_old", [False, True])
def test_an_unmounted_blob_store_stops_the_start(tmp_path: Path, is_old: bool) -> None:
    home, blobs, away = tmp_path / "home", tmp_path / "blobs", tmp_path / "away"
    settings: dict[str, Any] = {"blobs_url": f"file://{blobs}"}
    make(home, **settings)
    if is_old:
        unmarked(home)
    shutil.move(blobs, away)
    for _ in range(2):
        with pytest.raises(StartupError, match="DYAD_BLOBS_URL"):
            opened(home, **settings)
    shutil.rmtree(blobs)
    shutil.move(away, blobs)
    assert size(home, **settings) == 1
    assert (blobs / "collections" / "c" / "ab" / "image.png").exists()


def test_the_blob_store_of_another_home_is_refused_until_it_is_taken_over(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"blobs_url": f"file://{tmp_path}/blobs"}
    make(tmp_path / "first", **settings)
    with pytest.raises(StartupError, match=f"{tmp_path}/first, not to .*--take-over"):
        opened(tmp_path / "second", **settings)
    assert size(tmp_path / "first", **settings) == 1


def test_a_moved_home_is_opened(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"blobs_url": f"file://{tmp_path}/blobs"}
    make(tmp_path / "first", **settings)
    (tmp_path / "first").rename(tmp_path / "second")
    assert size(tmp_path / "second", **settings) == 1
    (tmp_path / "second" / "identity").unlink()
    with pytest.raises(StartupError, match="--take-over"):
        opened(tmp_path / "second", **settings)
    opened(tmp_path / "second", takes_over=True, **settings).close()
    assert size(tmp_path / "second", **settings) == 1


def test_a_home_from_before_is_adopted_with_its_indexes(tmp_path: Path) -> None:
    make(tmp_path / "home")
    unmarked(tmp_path / "home")
    container = opened(tmp_path / "home")
    assert container.vectors.owners() == {"c.hog.1": container.installation.ensure().id}
    container.close()


@pytest.mark.parametrize("content", [b"", b'{"id": "', b"\xff\x00garbage"])
@pytest.mark.parametrize("name", ["identity", "blobs/installation.json"])
def test_one_damaged_mark_is_written_again_from_the_other(tmp_path: Path, name: str, content: bytes) -> None:
    home = tmp_path / "home"
    make(home)
    before = (home / name).read_bytes()
    (home / name).write_bytes(content)
    assert size(home) == 1
    assert (home / name).read_bytes() == before


def test_a_lost_marker_is_never_written_silently(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make(home)
    (home / "blobs" / "installation.json").unlink()
    with pytest.raises(StartupError, match=r"installation\.json is missing"):
        opened(home)
    opened(home, takes_over=True).close()
    assert size(home) == 1
