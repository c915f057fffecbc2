from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from app.imagery.pictures.tile_files import tile_suffix, write_tile


@pytest.mark.parametrize("bands", [1, 3, 4, 6])
def test_pixels_come_back_from_a_file(tmp_path: Path, bands: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, bands), dtype=np.uint8)
    path = tmp_path / f"tile{tile_suffix(pixels)}"
    write_tile(path, pixels)
    if bands == 3:
        with Image.open(path) as image:
            found = np.asarray(image)
    else:
        with rasterio.open(path) as file:
            found = np.moveaxis(file.read(), 0, -1)
    np.testing.assert_array_equal(found, pixels)
