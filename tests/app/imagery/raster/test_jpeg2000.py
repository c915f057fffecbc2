"""JPEG 2000, the format of Sentinel-2."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio.shutil

from app.errors import UnreadableImage
from app.imagery.tiling.tiler import cut, read_query, read_tile
from tests.support import images
from tests.support.cutting import spec


def jp2(path: Path, *, is_placed: bool = True, dtype: str = "uint8") -> Path:
    values = images.textured(3, 128, 192, dtype)
    source = (
        images.geotiff(path.with_suffix(".tif"), values) if is_placed else images.plain_tif(path.with_suffix(".tif"), values)
    )
    with rasterio.open(source) as file:
        rasterio.shutil.copy(file, path, driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES")
    return path


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_scene_is_cut(tmp_path: Path, dtype: str) -> None:
    path = jp2(tmp_path / "T14TNS_20220615_TCI.jp2", dtype=dtype)
    found = [tile for tile in cut(path, path.name, spec()) if tile]
    again = [tile for tile in cut(path.with_suffix(".tif"), "x.tif", spec()) if tile]
    assert len(found) == 6
    for tile, same in zip(found, again, strict=True):
        np.testing.assert_array_equal(tile.pixels, same.pixels)
        assert tile.geometry == same.geometry
        assert tile.image_suffix == ".tif"
        assert tile.datetime is not None
        np.testing.assert_array_equal(read_tile(tile.image, spec(), tile.stretch, window=tile.window), tile.pixels)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_without_a_place_it_is_one_tile(tmp_path: Path) -> None:
    path = jp2(tmp_path / "x.jp2", is_placed=False)
    (tile,) = cut(path, "x.jp2", spec())
    assert tile is not None
    assert tile.geometry is None
    assert tile.image_suffix == ".jp2"
    np.testing.assert_array_equal(read_query(path.read_bytes(), spec()), tile.pixels)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    whole = jp2(tmp_path / "x.jp2").read_bytes()
    for end in (12, 60, 100):
        with pytest.raises(UnreadableImage, match="damaged"):
            read_query(whole[:end], spec())
