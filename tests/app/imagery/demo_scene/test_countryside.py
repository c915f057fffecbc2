"""The sample scene is a scene like any other."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import rasterio

from app.imagery.demo_scene.countryside import draw_demo_scene
from tests.support.cutting import spec, tiles


def test_it_is_georeferenced_varied_and_repeatable(tmp_path: Path) -> None:
    draw_demo_scene(tmp_path / "a.tif", seed=3, size=640)
    draw_demo_scene(tmp_path / "b.tif", seed=3, size=640)
    draw_demo_scene(tmp_path / "c.tif", seed=4, size=640)
    with rasterio.open(tmp_path / "a.tif") as first, rasterio.open(tmp_path / "b.tif") as second:
        assert np.array_equal(first.read(), second.read())
        assert first.crs.to_epsg() == 32631
        assert first.overviews(1) == [2, 4, 8]
    with rasterio.open(tmp_path / "a.tif") as first, rasterio.open(tmp_path / "c.tif") as third:
        assert not np.array_equal(first.read(), third.read())
    found = tiles(tmp_path / "a.tif", spec(tile_size=160, stride=160))
    assert len(found) == 16
    assert {tile.gsd for tile in found} == {1.0}
    assert found[0].datetime == datetime(2024, 6, 15, 10, 30, tzinfo=UTC)
    assert found[0].geometry is not None
    means = np.array([tile.pixels.mean(axis=(0, 1)) for tile in found])
    assert means.std(axis=0).max() > 15, "fields, woods and water differ"
    assert min(tile.pixels.std() for tile in found) > 5, "nothing is flat"
