"""Fill values that are not declared as nodata."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rasterio.io import MemoryFile

from app.imagery.tiling.tiler import cut, read_tile
from tests.support import images
from tests.support.cutting import spec


@pytest.mark.parametrize(
    ("dtype", "fill", "bands"),
    [
        ("float32", -9999, 3),
        ("float32", -9999, 1),
        ("int16", -32768, 3),
        ("uint16", 0, 3),
        ("uint16", 65535, 1),
        ("uint8", 0, 3),
    ],
)
def test_fill_is_masked_and_reported(tmp_path: Path, dtype: str, fill: float, bands: int) -> None:
    values = images.textured(bands, 128, 192, dtype)
    plain = [tile for tile in cut(images.geotiff(tmp_path / "plain.tif", values[:, :, 64:]), "x", spec()) if tile]
    values[:, :, :64] = fill
    notes: list[str] = []
    found = list(cut(images.geotiff(tmp_path / "filled.tif", values), "x", spec(), note=notes.append))
    assert [tile is None for tile in found] == [True, False, False] * 2
    assert len(notes) == 1
    assert f"no nodata value is declared; {fill:g} covers 33%" in notes[0]
    for tile, wanted in zip([tile for tile in found if tile], plain, strict=True):
        assert np.abs(tile.pixels.astype(int) - wanted.pixels).max() <= 2, "the fill is not part of the stretch"
        assert isinstance(tile.image, bytes)
        with MemoryFile(tile.image) as memory, memory.open() as stored:
            assert stored.nodata == fill
        np.testing.assert_array_equal(read_tile(tile.image, spec(), tile.stretch, window=tile.window), tile.pixels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_other_values_are_no_fill(tmp_path: Path, dtype: str) -> None:
    notes: list[str] = []
    values = images.textured(3, 128, 128, dtype)
    values[0, :, :64] = 0  # in one band only
    values[:, 60:70, 60:70] = 0  # inside
    list(cut(images.geotiff(tmp_path / "x.tif", values), "x", spec(), note=notes.append))
    list(cut(images.geotiff(tmp_path / "y.tif", np.full((3, 64, 64), 7, dtype)), "y", spec(), note=notes.append))
    assert notes == []


def test_a_declared_nodata_value_is_kept(tmp_path: Path) -> None:
    notes: list[str] = []
    values = images.textured(3, 128, 128, "uint16")
    values[:, :, :64] = 0
    found = list(cut(images.geotiff(tmp_path / "x.tif", values, nodata=65535), "x", spec(), note=notes.append))
    assert all(found)
    assert notes == []
