"""World files beside images."""

from __future__ import annotations

from pathlib import Path

import pytest
from rasterio.crs import CRS

from app.imagery.tiling.cut_spec import CutTile
from app.imagery.tiling.tiler import cut
from tests.support import images
from tests.support.cutting import spec

UTM = "10\n0\n0\n-10\n500005\n5399995\n"
DEGREES = "0.0001\n0\n0\n-0.0001\n15.00005\n48.99995\n"


def indexed(path: Path) -> tuple[list[CutTile], list[str]]:
    notes: list[str] = []
    return [tile for tile in cut(path, path.name, spec(), note=notes.append) if tile], notes


def corner(tile: CutTile) -> list[float]:
    assert tile.geometry is not None
    ring = tile.geometry["coordinates"][0]
    return [min(x for x, _ in ring), max(y for _, y in ring)]


@pytest.mark.parametrize(("name", "world"), [("a.jpg", "a.jgw"), ("a.jpg", "a.JGW"), ("a.png", "a.pgw"), ("a.png", "a.wld")])
def test_degrees_are_wgs_84(tmp_path: Path, name: str, world: str) -> None:
    form = {"jpg": "JPEG", "png": "PNG"}[name[-3:]]
    path = images.saved(tmp_path / name, images.picture(), format=form)
    (tmp_path / world).write_text(DEGREES)
    (tile,), notes = indexed(path)
    assert notes == []
    assert corner(tile) == pytest.approx([15.0, 49.0], abs=1e-6)
    assert tile.gsd == pytest.approx(9.2, abs=0.1)


def test_a_tiff_with_a_crs_is_a_scene(tmp_path: Path) -> None:
    path = images.plain_tif(tmp_path / "scan.tif", images.textured(3, 128, 128))
    (tmp_path / "scan.tfw").write_text(UTM)
    found, notes = indexed(path)
    assert len(found) == 1
    assert found[0].geometry is None
    assert "no CRS" in notes[0]
    (tmp_path / "scan.prj").write_text(CRS.from_epsg(32633).to_wkt())
    found, notes = indexed(path)
    assert len(found) == 4
    assert notes == []
    assert corner(found[0]) == pytest.approx([15.0, 48.753], abs=1e-3)
    assert isinstance(found[0].image, bytes), "the tile image contains the place"


@pytest.mark.parametrize("text", ["", "1 2 3", "a\nb\nc\nd\ne\nf", "0\n0\n0\n0\n5\n5", "nan\n0\n0\n-1\n5\n5"])
def test_a_file_that_is_no_world_file_is_reported(tmp_path: Path, text: str) -> None:
    path = images.saved(tmp_path / "a.png", images.picture(), format="PNG")
    (tmp_path / "a.pgw").write_text(text)
    (tile,), notes = indexed(path)
    assert tile.geometry is None
    assert "six numbers" in notes[0]


def test_the_place_of_the_file_itself_wins(tmp_path: Path) -> None:
    path = images.rgb_tif(tmp_path / "a.tif", 64, 64)
    before = indexed(path)[0][0].geometry
    (tmp_path / "a.tfw").write_text(DEGREES)
    assert indexed(path)[0][0].geometry == before
