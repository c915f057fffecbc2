"""The statistics of a scene: what is read of it, whatever overviews it has, and that a job can be stopped meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
import rasterio
from rasterio import Affine

from app.imagery.raster.crops import Block
from app.imagery.raster.geotiff import Raster, open_raster
from app.imagery.values.statistics import CHEAP_PIXELS, GRID, sample_values
from app.ports import Cancelled
from app.ports.stopping import stoppable

SIDE = 8192


def scene(path: Path, overviews: list[int]) -> Path:
    profile = {
        "driver": "GTiff", "width": SIDE, "height": SIDE, "count": 1, "dtype": "uint8", "tiled": True, "compress": "deflate",
        "transform": Affine(1, 0, 400_000, 0, -1, 5_600_000), "crs": "EPSG:32632",
    }  # fmt: skip
    with rasterio.open(path, "w", SPARSE_OK="TRUE", **profile) as made:
        if overviews:
            made.build_overviews(overviews)
    return path


@pytest.mark.parametrize(("overviews", "reads"), [([], GRID**2), ([2], 1), ([2, 4], 1)])
def test_a_large_scene_is_read_whole_only_from_small_overviews(
    tmp_path: Path, overviews: list[int], reads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SIDE**2 > CHEAP_PIXELS
    seen: list[Block] = []
    read = Raster.read

    def counted(self: Raster, *args: object, **options: object) -> Block:
        seen.append(read(self, *args, **options))  # type: ignore[arg-type]
        return seen[-1]

    monkeypatch.setattr(Raster, "read", counted)
    with open_raster(scene(tmp_path / "a.tif", overviews), 100_000_000) as raster:
        sample_values(raster, [0], [0])
        assert len(seen) == reads
        monkeypatch.setattr("app.imagery.values.statistics.CHEAP_PIXELS", SIDE**2 // 100)
        seen.clear()
        sample_values(raster, [0], [0])
    assert len(seen) == GRID**2


def test_sampling_ends_with_its_job(tmp_path: Path) -> None:
    def check() -> None:
        raise Cancelled

    with open_raster(scene(tmp_path / "a.tif", []), 100_000_000) as raster, stoppable(check), pytest.raises(Cancelled):
        sample_values(raster, [0], [0])
