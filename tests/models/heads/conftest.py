"""What the tests of the child programs share: the bundle that ships, and a little real work for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.head_inputs import Workshop
from tests.support.tiles import make_tiles


@pytest.fixture(scope="session")
def workshop(shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """120 tiles of textures, encoded by the shipped bundle."""
    return Workshop(tmp_path_factory.mktemp("heads"), shipped, make_tiles(120))
