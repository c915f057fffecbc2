"""What the tests of the child programs share: the bundle that ships, and a little real work for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.head_inputs import Workshop
from tests.support.tiles import make_tiles

SHIPPED = Path(__file__).parents[2] / "app" / "inference" / "bundled" / "dyad-rgb-128"


@pytest.fixture(scope="session")
def shipped() -> Path:
    """The folder of the bundle that ships with Dyad; not to be changed."""
    return SHIPPED


@pytest.fixture(scope="session")
def tiles() -> NDArray[np.uint8]:
    """(6, 128, 128, 3) smooth random tiles."""
    coarse = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


@pytest.fixture(scope="session")
def workshop(shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """120 tiles of textures, encoded by the shipped bundle."""
    return Workshop(tmp_path_factory.mktemp("heads"), shipped, make_tiles(120))
