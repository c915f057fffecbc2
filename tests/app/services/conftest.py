"""Services over a container of their own, with a small labelled collection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.container import Container
from app.domain.tiles import Tile
from app.settings import load_settings
from tests.support.labelled import index_labelled, write_pictures


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    """An empty state folder, opened, its jobs running."""
    made = Container(load_settings({}, home=tmp_path / "home", threads=1))
    made.start()
    yield made
    made.close()


@pytest.fixture
def tiles(container: Container, tmp_path: Path) -> list[Tile]:
    """The tiles of the collection `shapes`: twelve `stripes`, twelve `slopes`, one `rare`, six without a label."""
    return index_labelled(container, "shapes", write_pictures(tmp_path / "pictures"))
