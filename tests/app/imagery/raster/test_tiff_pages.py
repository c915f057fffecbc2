"""TIFFs with several pages."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.imagery.raster.tiff_pages import main_page
from app.imagery.tiling.tiler import cut, read_query, read_tile
from tests.support import images
from tests.support.cutting import spec

GEO: dict[int, tuple[int, bytes]] = {
    33550: (12, struct.pack("<3d", 1, 1, 0)),
    33922: (12, struct.pack("<6d", 0, 0, 0, 500_000, 5_200_000, 0)),
    34735: (3, struct.pack("<16H", 1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32614)),
}
SIZES = {3: 2, 4: 4, 12: 8}


def pages(path: Path, values: Sequence[NDArray[np.uint8]], reduced: Sequence[int] = ()) -> Path:
    """A TIFF of these (3, H, W) pages; those of at least 64 pixels are placed. reduced: pages declared as smaller versions."""
    data = bytearray(b"II*\x00\x00\x00\x00\x00")
    pointer = 4
    for number, page in enumerate(values):
        pixels, strip = np.ascontiguousarray(np.moveaxis(page, 0, -1)).tobytes(), len(data)
        data += pixels
        tags = {254: int(number in reduced), 256: page.shape[2], 257: page.shape[1], 259: 1, 262: 2, 273: strip, 277: 3}
        tags |= {278: page.shape[1], 279: len(pixels), 284: 1}
        fields = {tag: (4, struct.pack("<I", value)) for tag, value in tags.items()} | {258: (3, struct.pack("<3H", 8, 8, 8))}
        entries = b""
        for tag, (kind, value) in sorted((fields | (GEO if page.shape[1] >= 64 else {})).items()):
            place = value.ljust(4, b"\0")
            if len(value) > 4:
                place = struct.pack("<I", len(data))
                data += value
            entries += struct.pack("<HHI", tag, kind, len(value) // SIZES[kind]) + place
        data[pointer : pointer + 4] = struct.pack("<I", len(data))
        data += struct.pack("<H", len(entries) // 12) + entries
        pointer = len(data)
        data += bytes(4)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("reduced", [(), (0,)])
def test_the_full_page_is_taken_with_its_place(tmp_path: Path, reduced: tuple[int, ...]) -> None:
    values = images.textured(3, 128, 128)
    path = pages(tmp_path / "x.tif", [values[:, ::8, ::8], values], reduced)
    notes: list[str] = []
    found = [tile for tile in cut(path, "x.tif", spec(), note=notes.append) if tile]
    assert len(found) == 4
    assert all(tile.geometry for tile in found)
    np.testing.assert_array_equal(found[0].pixels, np.moveaxis(values[:, :64, :64], 0, -1))
    assert len(notes) == 1
    assert "page 2" in notes[0]
    assert ("left out: page 1 (16 x 16)" in notes[0]) == (not reduced)
    np.testing.assert_array_equal(read_tile(found[0].image, spec(), found[0].stretch, window=found[0].window), found[0].pixels)
    np.testing.assert_array_equal(read_query(path.read_bytes(), spec()), read_query(path, spec()))


def test_a_large_page_alone(tmp_path: Path) -> None:
    assert main_page(images.geotiff(tmp_path / "big.tif", images.textured(3, 64, 64), BIGTIFF="YES")) == (1, None)


def test_pages_of_one_size_are_reported(tmp_path: Path) -> None:
    path = pages(tmp_path / "x.tif", [images.textured(3, 64, 64, seed=seed) for seed in range(3)])
    number, note = main_page(path)
    assert number == 1
    assert note is not None
    assert "left out: page 2 (64 x 64), 3 (64 x 64)" in note


def test_overviews_and_masks_are_no_pages(tmp_path: Path) -> None:
    assert main_page(images.geotiff(tmp_path / "o.tif", images.textured(3, 512, 512), overviews=[2, 4])) == (1, None)
    assert main_page(images.masked_tif(tmp_path / "m.tif")) == (1, None)


def test_damaged_directories_are_left_to_gdal(tmp_path: Path) -> None:
    whole = pages(tmp_path / "x.tif", [images.textured(3, 64, 64)] * 2).read_bytes()
    for end in (4, 8, 12, 40, len(whole) // 2):
        assert main_page(whole[:end])[0] == 1
    assert main_page(b"II*\x00\xff\xff\xff\xff" + whole[8:]) == (1, None)
