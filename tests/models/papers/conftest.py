"""A data folder of a few small images, and somewhere to work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.papers.results import Context


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ucmerced` with three classes of ten images: stripes, dots and noise; `aid` with eight that look like neither."""
    root = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:64, :64]
    plain = {"dots": (rows // 8 + columns // 8) % 2, "noise": random.random((64, 64)), "stripes": rows // 4 % 2}
    for name, pattern in plain.items():
        for number in range(10):
            tile = pattern[..., None] * random.uniform(80, 160, 3) + random.uniform(0, 60, (64, 64, 3))
            _save(tile, root / "ucmerced" / name / f"{name}{number}.png")
    for number in range(8):
        _save(random.uniform(0, 255, (64, 64, 3)), root / "aid" / "any" / f"{number}.png")
    return root


@pytest.fixture(scope="session")
def context(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Context:
    work = tmp_path_factory.mktemp("work")
    return Context(data, work / "cache", work, "small", lambda text: None)


def _save(tile: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(tile.astype(np.uint8)).save(path)
