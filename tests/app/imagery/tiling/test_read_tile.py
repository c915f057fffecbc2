"""The pixels that a tile was embedded with, made again from its stored image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from app.domain.collections import Scaling
from app.imagery.tiling.cut_spec import CutSpec, CutTile
from app.imagery.tiling.tiler import read_tile
from tests.support import images
from tests.support.cutting import spec, tiles

PERCENTILE = Scaling(method="percentile")
REFLECTANCE = Scaling(method="reflectance")
INK = (ColorInterp.cyan, ColorInterp.magenta, ColorInterp.yellow, ColorInterp.black)


def grey(path: Path) -> Path:
    return images.saved(path, images.picture("L"), format="PNG")


def uint16_scene(path: Path) -> Path:
    values = images.textured(4, 200, 260, "uint16")
    values[:, :100] //= 2  # windows differ from the scene as a whole
    return images.geotiff(path, values, names=("blue", "green", "red", "nir"))


def palette_scene(path: Path) -> Path:
    colours = {index: (index, 255 - index, index // 2, 0 if index == 7 else 255) for index in range(256)}
    return images.geotiff(path, images.textured(1, 150, 150), palette=colours)


def cmyk_scene(path: Path) -> Path:
    return images.geotiff(path, images.textured(4, 150, 150), photometric="CMYK", colours=INK)


def nodata_scene(path: Path) -> Path:
    values = images.textured(3, 150, 150)
    values[:, 60:90] = 9
    values[0, :60] = 9
    return images.geotiff(path, values, nodata=9, photometric="RGB")


SOURCES: dict[str, tuple[Callable[[Path], Path], CutSpec]] = {
    "JPEG": (lambda path: images.saved(path, images.picture(width=300, height=280), format="JPEG"), spec()),
    "small JPEG": (lambda path: images.saved(path, images.picture(width=40, height=30), format="JPEG"), spec()),
    "PNG": (lambda path: images.saved(path, images.picture(width=300, height=200), format="PNG"), spec()),
    "PNG by percentiles": (lambda path: images.saved(path, images.picture(), format="PNG"), spec(PERCENTILE)),
    "WebP": (lambda path: images.saved(path, images.picture(), format="WEBP"), spec()),
    "grey PNG": (grey, spec()),
    "PNG of 16 bits": (images.deep_png, spec()),
    "PNG with alpha": (lambda path: images.saved(path, images.picture("RGBA"), format="PNG"), spec()),
    "PNG with alpha by percentiles": (lambda path: images.saved(path, images.picture("RGBA"), format="PNG"), spec(PERCENTILE)),
    "palette PNG": (images.palette_png, spec()),
    "CMYK JPEG": (images.cmyk_jpeg, spec()),
    "windows of 8 bits": (images.rgb_tif, spec()),
    "windows of 8 bits by percentiles": (images.rgb_tif, spec(PERCENTILE)),
    "windows with another size of input": (images.rgb_tif, spec(input_size=96)),
    "large windows": (lambda path: images.rgb_tif(path, 1100, 1100), spec(tile_size=1100, stride=1100)),
    "windows of 16 bits": (uint16_scene, spec()),
    "windows of 16 bits, bands by number": (uint16_scene, spec(bands=(4, 3, 1))),
    "windows of 16 bits, bands by name": (uint16_scene, spec(bands=("NIR", "red", "red"))),
    "windows of 16 bits, four bands": (uint16_scene, spec(band_count=4)),
    "windows of 16 bits, reflectance": (uint16_scene, spec(REFLECTANCE)),
    "windows of 16 bits, range": (uint16_scene, spec(Scaling(method="range", low=100, high=3000))),
    "windows of 16 bits as they are": (uint16_scene, spec(Scaling(method="none"))),
    "windows with nodata of 16 bits": (images.four_band_tif, spec(stride=48)),
    "windows with nodata of 8 bits": (nodata_scene, spec()),
    "windows of floats with NaN": (images.float_tif, spec(stride=48)),
    "windows with a mask": (images.masked_tif, spec(stride=32)),
    "windows with alpha": (images.alpha_tif, spec(stride=32)),
    "windows of a palette": (palette_scene, spec()),
    "windows of CMYK": (cmyk_scene, spec()),
    "windows by ground control points": (images.gcp_tif, spec()),
    "a scene that is one window": (lambda path: images.geotiff(path, images.textured(3, 64, 64, "uint16")), spec()),
    "a scene smaller than a window": (lambda path: images.geotiff(path, images.textured(3, 40, 50, "int16")), spec()),
    "a TIFF without a place": (lambda path: images.plain_tif(path, images.textured(3, 90, 130, "uint16")), spec()),
    "a large TIFF without a place": (lambda path: images.plain_tif(path, images.textured(3, 1100, 1300, "uint16")), spec()),
    "a large float TIFF": (lambda path: images.plain_tif(path, images.textured(3, 1200, 1100, "float32")), spec()),
}  # fmt: skip


def again(tile: CutTile, wanted: CutSpec, *, has_stretch: bool = True) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return read_tile(tile.image, wanted, tile.stretch if has_stretch else None, window=tile.window)


@pytest.mark.parametrize("name", SOURCES)
def test_a_stored_tile_gives_the_pixels_that_were_embedded(tmp_path: Path, name: str) -> None:
    make, wanted = SOURCES[name]
    found = tiles(make(tmp_path / "source"), wanted)
    assert found
    for tile in found:
        data = tile.image if isinstance(tile.image, bytes) else tile.image.read_bytes()
        for image in (tile.image, data):
            np.testing.assert_array_equal(read_tile(image, wanted, tile.stretch, window=tile.window), tile.pixels)


def test_a_scene_whose_place_is_given_elsewhere_is_one_tile(tmp_path: Path) -> None:
    path = images.geotiff(
        tmp_path / "scene.tif", images.textured(4, 1100, 1200, "uint16"), names=("red", "green", "blue", None)
    )
    (tile,) = tiles(path, has_place=True)
    np.testing.assert_array_equal(again(tile, spec()), tile.pixels)


def test_windows_share_the_stretch_of_their_scene(tmp_path: Path) -> None:
    found = tiles(uint16_scene(tmp_path / "scene.tif"))
    assert len({tile.stretch for tile in found}) == 1
    assert found[0].stretch is not None
    assert len(found[0].stretch) == 3
    assert all(low < high for low, high in found[0].stretch)


def test_a_record_without_a_stretch_is_scaled_by_the_tile_itself(tmp_path: Path) -> None:
    picture = tiles(images.deep_png(tmp_path / "deep.png"))[0]
    np.testing.assert_array_equal(again(picture, spec(), has_stretch=False), picture.pixels)
    window = tiles(uint16_scene(tmp_path / "scene.tif"))[0]
    pixels = again(window, spec(), has_stretch=False)
    assert pixels.shape == window.pixels.shape
    assert not np.array_equal(pixels, window.pixels)
    assert np.ptp(pixels) == 255


def test_eight_bits_need_no_stretch_even_where_a_band_is_empty(tmp_path: Path) -> None:
    values = images.textured(3, 64, 128)
    values[:, :, :60] = 0
    path = images.geotiff(tmp_path / "edge.tif", values, nodata=0, transform=rasterio.Affine(1, 0, 500_000, 0, -1, 5_200_000))
    found = tiles(path, spec(stride=32, min_valid=0.0))
    assert [tile.stretch for tile in found] == [None] * len(found)
    for tile in found:
        np.testing.assert_array_equal(again(tile, spec()), tile.pixels)
