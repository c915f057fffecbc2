"""What the start of a service deletes, and what it must keep."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.container import Container
from app.errors import Conflict, NotFound
from app.services.catalogue.deletions import Deletions
from app.settings import load_settings
from tests.app.services.maintenance.test_identity import fill


def opened(tmp_path: Path) -> Container:
    container = Container(load_settings({}, home=tmp_path / "home", blobs_url=f"file://{tmp_path}/blobs", threads=1))
    container.start()
    return container


def test_a_collection_whose_settings_are_lost_is_kept_until_they_are_back(tmp_path: Path) -> None:
    document = tmp_path / "blobs" / "catalogue" / "c.json"
    with closing(opened(tmp_path)) as container:
        container.collections.create("c", model="hog")
        fill(container, "c")
    content = document.read_bytes()
    document.unlink()
    for _ in range(2):
        with closing(opened(tmp_path)) as container:
            assert [entry.id for entry in container.garbage.quarantine.entries()] == ["collection/c"]
            assert container.blobs.get("collections/c/ab/image.png") == b"image"
            assert [found.part for found in container.state.all()] == ["collection c"]
            with pytest.raises(Conflict, match="--repair"):
                container.collections.create("c", model="hog")
    document.write_bytes(content)
    with closing(opened(tmp_path)) as container:
        assert container.collections.info("c").size == 1
        assert container.state.all() == []
        assert container.garbage.quarantine.entries() == ()


def test_quarantined_data_is_deleted_by_request(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as container:
        container.collections.create("c", model="hog")
        fill(container, "c")
        container.blobs.delete(["catalogue/c.json"])
        assert [entry.id for entry in container.garbage.delete_quarantined()] == ["collection/c"]
        assert (container.vectors.indexes(), container.vectors.aliases()) == ([], {})
        assert not container.blobs.exists("collections/c/ab/image.png")


def test_an_interrupted_deletion_is_finished_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with closing(opened(tmp_path)) as container:
        container.collections.create("c", model="hog")
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Deletions, "_delete_contents", killed)
            container.collections.delete("c")
        assert container.vectors.indexes() == ["c.hog.1"]
    with closing(opened(tmp_path)) as container:
        assert (container.vectors.indexes(), container.vectors.aliases()) == ([], {})
        with pytest.raises(NotFound):
            container.collections.info("c")
