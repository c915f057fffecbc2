"""What the start of a service deletes, and what it must keep."""

from __future__ import annotations

import shutil
from pathlib import Path

from app.container import Container
from app.settings import load_settings


def opened(tmp_path: Path) -> Container:
    container = Container(load_settings({}, home=tmp_path / "home", blobs_url=f"file://{tmp_path}/blobs", threads=1))
    container.start()
    return container


def test_an_empty_blob_store_does_not_make_every_index_garbage(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.collections.create("c", model="hog")
    first.close()
    shutil.move(tmp_path / "blobs", tmp_path / "away")
    second = opened(tmp_path)  # finds an empty folder where a disk is not mounted
    assert second.collections.ids() == []
    second.close()
    shutil.rmtree(tmp_path / "blobs")
    shutil.move(tmp_path / "away", tmp_path / "blobs")
    third = opened(tmp_path)
    assert third.collections.info("c").size == 0
    assert third.vectors.indexes() == ["c.hog.1"]
    third.close()


def test_the_rest_of_an_interrupted_deletion_is_deleted(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.collections.create("c", model="hog")
    first.close()
    (tmp_path / "blobs" / "catalogue" / "c.json").unlink()
    second = opened(tmp_path)
    assert (second.vectors.indexes(), second.vectors.aliases()) == ([], {})
    second.close()
