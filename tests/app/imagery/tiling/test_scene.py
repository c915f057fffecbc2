"""Scenes: every type, nodata, mask and alpha; windows are read alone and come back as they were."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.enums import ColorInterp
from rasterio.io import MemoryFile

from app.domain.collections import Scaling
from app.domain.tiles import Window
from app.errors import DyadError, InvalidInput, ModelMismatch, TooLarge, UnreadableImage
from app.imagery.tiling.tiler import count_windows, cut, read_query
from tests.support import images
from tests.support.cutting import spec, tiles


def test_a_scene_is_cut_and_covered(tmp_path: Path) -> None:
    path = images.rgb_tif(tmp_path / "scene_20190904.tif", 150, 200)
    found = tiles(path)
    assert [str(tile.window) for tile in found] == [
        f"{col},{row},64,64" for row in (0, 64, 86) for col in (0, 64, 128, 136)
    ]  # fmt: skip
    assert count_windows(path, spec()) == len(found) == 12
    values = images.textured(3, 150, 200)
    for tile in found:
        assert tile.window is not None
        window = tile.window
        part = values[:, window.row : window.row + 64, window.col : window.col + 64]
        assert np.array_equal(tile.pixels, np.moveaxis(part, 0, -1))
        assert tile.datetime == datetime(2019, 9, 4, tzinfo=UTC)
        assert tile.properties == {"crs": "EPSG:32614", "band_names": ["red", "green", "blue"], "valid_share": 1.0}
        assert tile.image_suffix == ".tif"
        assert tile.gsd == pytest.approx(1.0, abs=0.001)


def test_a_tile_is_stored_as_geotiff_of_all_its_bands(tmp_path: Path) -> None:
    path = images.four_band_tif(tmp_path / "x.tif")
    found = tiles(path, spec(bands=("red", "green", "blue")))
    assert [str(tile.window) for tile in found] == ["64,0,64,64", "0,64,64,64", "64,64,64,64"]
    assert isinstance(found[0].image, bytes)
    with rasterio.open(path) as scene, MemoryFile(found[0].image) as memory, memory.open() as tile:
        window = rasterio.windows.Window(64, 0, 64, 64)
        assert np.array_equal(tile.read(), scene.read(window=window))
        assert tile.crs == scene.crs
        assert tile.nodata == 0
        assert tile.descriptions == ("blue", "green", "red", "nir")
        assert tile.bounds == pytest.approx((500_064, 5_199_936, 500_128, 5_200_000))
    again = read_query(found[0].image, spec(Scaling(method="range", low=0, high=4000), bands=("red", "green", "blue")))
    assert again.shape == (64, 64, 3)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64", "uint32", "int8"])
@pytest.mark.parametrize("bands", [1, 3, 5])
def test_every_type_and_number_of_bands(tmp_path: Path, dtype: str, bands: int) -> None:
    path = images.geotiff(tmp_path / "x.tif", images.textured(bands, 80, 80, dtype))
    for tile in tiles(path):
        assert tile.pixels.shape == (64, 64, 3)
        assert tile.pixels.std() > 20
        assert tile.preview is not None
        with Image.open(io.BytesIO(tile.preview)) as preview:
            assert preview.format == "JPEG"
            assert preview.mode == ("L" if bands == 1 else "RGB")


def test_bands_fit_the_model_or_the_file_is_refused(tmp_path: Path) -> None:
    path = images.four_band_tif(tmp_path / "x.tif")
    plain = tiles(path, spec())[0].pixels
    assert np.array_equal(plain, tiles(path, spec(bands=(3, 2, 1)))[0].pixels), "red, green, blue by name"
    assert np.array_equal(tiles(path, spec(bands=("NIR",), band_count=1))[0].pixels.shape, (64, 64, 1))
    assert tiles(path, spec(band_count=4))[0].pixels.shape == (64, 64, 4)
    for wanted, reason in (
        (spec(band_count=6), "the file has 4 bands, but the model takes 6 bands"),
        (spec(bands=(1, 2, 9)), "band 9 is selected, but the file has 4 bands"),
        (spec(bands=("red", "swir", "nir")), "band 'swir' is selected, but the file's bands are blue, green, red, nir"),
        (spec(bands=(1, 2)), "2 bands are selected, but the model takes 3 bands"),
    ):
        with pytest.raises(ModelMismatch, match=reason):
            tiles(path, wanted)


def test_mostly_nodata_is_skipped_and_said(tmp_path: Path) -> None:
    path = images.four_band_tif(tmp_path / "x.tif")
    assert [piece is None for piece in cut(path, "x.tif", spec())] == [True, False, False, False]
    shares = [tile.properties["valid_share"] for tile in tiles(path, spec(tile_size=128, stride=128))]
    assert shares == [0.75]
    assert tiles(path, spec(tile_size=128, stride=128, min_valid=0.8)) == []


def test_masks_and_alpha_hide_pixels(tmp_path: Path) -> None:
    for path in (images.masked_tif(tmp_path / "m.tif"), images.alpha_tif(tmp_path / "a.tif")):
        assert [piece is None for piece in cut(path, path.name, spec())] == [True, False]
        wide = tiles(path, spec(tile_size=96, stride=96, min_valid=0.2))
        pixels = wide[0].pixels
        assert wide[0].window == Window(0, 0, 96, 64)
        assert pixels[:, :40].max() == 0
        assert pixels[:, 44:].min() > 0
        assert wide[0].preview is not None
        with Image.open(io.BytesIO(wide[0].preview)) as preview:
            assert preview.format == "PNG"
            assert np.asarray(preview.convert("RGBA"))[5, 5, 3] == 0
        assert isinstance(wide[0].image, bytes)
        with MemoryFile(wide[0].image) as memory, memory.open() as tile:
            assert (tile.dataset_mask()[:, :60] == 0).all()
            assert (tile.dataset_mask()[:, 64:] == 255).all()


def test_alpha_is_a_band_only_for_models_that_want_it(tmp_path: Path) -> None:
    path = images.alpha_tif(tmp_path / "a.tif")
    assert len(tiles(path, spec(band_count=4))) == 2, "as a fourth band it hides nothing"
    assert len(tiles(path, spec(bands=(1, 2, 4)))) == 2
    assert np.array_equal(tiles(path)[0].pixels, np.moveaxis(images.textured(3, 64, 128)[:, :, 64:], 0, -1))


def test_a_nodata_value_in_one_of_three_colours_is_a_colour(tmp_path: Path) -> None:
    values = images.textured(3, 64, 64)
    values[0, :, :32] = 255
    path = images.geotiff(tmp_path / "x.tif", values, nodata=255, photometric="RGB")
    assert np.array_equal(tiles(path)[0].pixels[:, :32, 0], np.full((64, 32), 255))


def test_nan_is_black_whatever_nodata_says(tmp_path: Path) -> None:
    values = images.textured(3, 64, 64, "float32")
    values[:, :20] = np.nan
    values[1, 40] = np.inf
    (tile,) = tiles(images.geotiff(tmp_path / "x.tif", values, nodata=-9999))
    assert tile.pixels[:20].max() == 0
    assert tile.pixels[40, :, 1].max() == 0
    assert tile.pixels[40, :, 0].std() > 10


def test_scaling_methods_follow_their_formulas(tmp_path: Path) -> None:
    values = images.textured(3, 64, 64, "uint16")
    path = images.geotiff(tmp_path / "x.tif", values)
    raw = np.moveaxis(values, 0, -1).astype(float)

    def scaled(scaling: Scaling) -> np.ndarray:
        return tiles(path, spec(scaling))[0].pixels.astype(float)

    low, high = np.percentile(raw, (2, 98), axis=(0, 1))
    for scaling, expected in (
        (Scaling(), (raw - low) / (high - low)),
        (Scaling(method="percentile", low=2), (raw - low) / (high - low)),
        (Scaling(method="range", low=100, high=3000), (raw - 100) / 2900),
        (Scaling(method="none"), raw / 255),
        (Scaling(method="reflectance"), raw * 1e-4 / 0.3),
        (Scaling(method="reflectance", scale=2e-4, offset=-0.1, low=0.05, high=0.5), (raw * 2e-4 - 0.1 - 0.05) / 0.45),
    ):
        assert np.abs(scaled(scaling) - np.clip(expected * 255, 0, 255)).max() <= 1, scaling
    with pytest.raises(InvalidInput, match="scale above 0"):
        scaled(Scaling(method="reflectance", scale=0))


def test_percentiles_are_of_the_scene_not_of_the_tile(tmp_path: Path) -> None:
    values = np.concatenate([np.full((1, 64, 64), 100, np.uint16), np.full((1, 64, 64), 900, np.uint16)], axis=2)
    values = values + images.textured(1, 64, 128, "uint8").astype(np.uint16) // 16
    dark, light = tiles(images.geotiff(tmp_path / "x.tif", values))
    assert dark.pixels.max() < 10
    assert light.pixels.min() > 245


def test_a_constant_scene_is_read(tmp_path: Path) -> None:
    (tile,) = tiles(images.geotiff(tmp_path / "x.tif", np.full((3, 64, 64), 7.5, np.float32)))
    assert tile.pixels.max() == 0


def test_valid_pixels_are_found_however_few(tmp_path: Path) -> None:
    values = np.zeros((1, 1200, 1200), np.uint16)
    values[0, 1101:1103, 901:903] = (500, 600)
    path = images.geotiff(tmp_path / "x.tif", values, nodata=0)
    assert tiles(path) == []
    values[:] = 0
    with pytest.raises(InvalidInput, match="band 1 has no valid values"):
        tiles(images.geotiff(tmp_path / "y.tif", values, nodata=0))


def test_all_nan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="band 1 has no valid values: all of it is nodata or NaN"):
        tiles(images.all_nan_tif(tmp_path / "x.tif"))
    values = images.textured(3, 64, 64, "float32")
    values[1] = np.nan
    with pytest.raises(InvalidInput, match="band 2 has no valid values"):
        tiles(images.geotiff(tmp_path / "y.tif", values))


def test_a_small_raster_is_one_window_of_its_own_size(tmp_path: Path) -> None:
    path = images.geotiff(tmp_path / "x.tif", images.textured(3, 40, 90))
    assert [tile.window for tile in tiles(path)] == [Window(0, 0, 64, 40), Window(26, 0, 64, 40)]
    (whole,) = tiles(path, spec(tile_size=100))
    assert whole.window == Window(0, 0, 90, 40)
    assert whole.image == path
    assert whole.pixels.shape == (64, 64, 3)


def test_palette_cmyk_and_bits(tmp_path: Path) -> None:
    palette = {0: (0, 0, 0, 255), 1: (200, 10, 10, 255), 2: (10, 200, 10, 255)}
    values = np.ones((1, 64, 64), np.uint8)
    values[0, :, 32:] = 2
    values[0, :8] = 0
    (tile,) = tiles(images.geotiff(tmp_path / "p.tif", values, palette=palette, nodata=0))
    assert tile.pixels[20, 5].tolist() == [200, 10, 10]
    assert tile.pixels[20, 50].tolist() == [10, 200, 10]
    assert tile.pixels[2, 2].tolist() == [0, 0, 0]
    assert tile.properties["valid_share"] == 0.875
    inks = images.saved(tmp_path / "c.tif", images.picture("CMYK"))
    expected = np.asarray(images.picture("CMYK").convert("RGB")).astype(int)
    assert np.abs(read_query(inks, spec()) - expected).max() <= 2
    bits = images.saved(tmp_path / "b.tif", images.picture("1"))
    assert set(np.unique(read_query(bits, spec()))) == {0, 255}


def test_a_tiff_without_place_is_one_tile(tmp_path: Path) -> None:
    for path in (
        images.plain_tif(tmp_path / "x_20190904.tif", images.textured(3, 200, 100)),
        images.saved(tmp_path / "y.tif", images.picture("RGB", 100, 200)),
    ):
        (tile,) = tiles(path)
        assert tile.window is None
        assert (tile.geometry, tile.datetime, tile.gsd) == (None, None, None)
        assert tile.image == path
        assert tile.preview is not None
        assert count_windows(path, spec()) == 1


def test_a_place_from_elsewhere_makes_a_scene_one_tile(tmp_path: Path) -> None:
    (tile,) = tiles(images.no_crs_tif(tmp_path / "x.tif"), has_place=True)
    assert tile.window is None
    assert tile.geometry is None
    (tile,) = tiles(images.rgb_tif(tmp_path / "y.tif"), has_place=True)
    assert tile.window is None
    assert tile.geometry is not None
    with pytest.raises(TooLarge, match="DYAD_MAX_PIXELS"):
        tiles(images.rgb_tif(tmp_path / "z.tif", 400, 400), spec(max_pixels=100_000), has_place=True)


def test_no_crs_is_refused_with_a_cure(tmp_path: Path) -> None:
    path = images.no_crs_tif(tmp_path / "x.tif")
    with pytest.raises(InvalidInput, match=r"no coordinate reference system.*gdal_edit.py -a_srs.*metadata"):
        tiles(path)
    assert read_query(path, spec()).shape == (64, 64, 3)


def test_an_engineering_crs_is_refused(tmp_path: Path) -> None:
    local = 'LOCAL_CS["site plan",UNIT["metre",1]]'
    path = images.geotiff(tmp_path / "x.tif", crs=local)
    with pytest.raises(InvalidInput, match="cannot be transformed to WGS 84"):
        tiles(path)
    assert tiles(path, has_place=True)[0].geometry is None


def test_scenes_may_be_far_larger_than_the_limit_for_one_image(tmp_path: Path) -> None:
    path = images.rgb_tif(tmp_path / "x.tif", 1200, 1200, overviews=(2, 4))
    assert len(tiles(path, spec(max_pixels=100_000, tile_size=256, stride=512))) == 9


def test_blocks_too_large_to_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    values = images.textured(3, 800, 800)
    images.geotiff(path, values, blockysize=800, compress="deflate", interleave="pixel")
    with pytest.raises(TooLarge, match=r"blocks of 800 x 800 pixels.*gdal_translate -of COG"):
        tiles(path, spec(max_pixels=100_000))


def test_one_block_of_a_bomb_is_refused_before_reading(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=60_000, height=60_000, count=1, dtype="uint8", crs="EPSG:32614",
        transform=images.NORTH_UP, tiled=True, blockxsize=60_000, blockysize=60_000, SPARSE_OK=True,
    ):  # fmt: skip
        pass
    with pytest.raises(TooLarge, match="60000 x 60000"):
        tiles(path, spec(max_pixels=100_000_000))


def test_absurd_numbers_of_tiles_bands_and_bytes_are_refused(tmp_path: Path) -> None:
    empty = {"driver": "GTiff", "dtype": "uint8", "crs": "EPSG:32614", "transform": images.NORTH_UP, "SPARSE_OK": True}
    huge = tmp_path / "huge.tif"
    with rasterio.open(
        huge, "w", width=400_000, height=400_000, count=1, tiled=True, blockxsize=4096, blockysize=4096, **empty
    ):
        pass
    with pytest.raises(TooLarge, match=r"would give .* tiles; the limit is 4000000"):
        tiles(huge)
    with pytest.raises(TooLarge, match=r"one tile with all its bands takes 1907 MiB.*use a smaller tile_size"):
        tiles(huge, spec(tile_size=44_721, stride=44_721))
    many = tmp_path / "many.tif"
    with rasterio.open(many, "w", width=16, height=16, count=1100, **empty):
        pass
    with pytest.raises(TooLarge, match="1100 bands; the limit is 1024"):
        tiles(many)


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    path = images.geotiff(tmp_path / "x.tif", np.ones((1, 64, 64), np.complex64))
    with pytest.raises(InvalidInput, match="complex"):
        tiles(path)


def test_windows_that_are_known_are_not_read(tmp_path: Path) -> None:
    path = images.rgb_tif(tmp_path / "x.tif", 128, 128)
    asked: list[Window | None] = []

    def skip(window: Window | None) -> bool:
        asked.append(window)
        return window != Window(64, 0, 64, 64)

    assert [tile.window for tile in tiles(path, skip=skip)] == [Window(64, 0, 64, 64)]
    assert len(asked) == 4
    assert tiles(images.saved(tmp_path / "x.png"), skip=lambda window: window is None) == []
    assert tiles(images.plain_tif(tmp_path / "y.tif"), skip=lambda window: window is None) == []


def test_files_beside_the_image_are_never_read(tmp_path: Path) -> None:
    path = images.plain_tif(tmp_path / "x.tif")
    before = read_query(path, spec())
    (tmp_path / "x.tif.aux.xml").write_text(
        "<PAMDataset><SRS>EPSG:4326</SRS><GeoTransform>1,1,0,1,0,-1</GeoTransform></PAMDataset>"
    )
    (tmp_path / "x.tfw").write_text("1\n0\n0\n-1\n10\n10\n")
    images.plain_tif(tmp_path / "x.tif.ovr", np.zeros((3, 32, 32), np.uint8))
    images.plain_tif(tmp_path / "x.tif.msk", np.zeros((1, 64, 64), np.uint8))
    (tile,) = tiles(path)
    assert tile.geometry is None
    assert np.array_equal(tile.pixels, before)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["x.tfw", "x.tif", "x.tif.aux.xml", "x.tif.msk", "x.tif.ovr"]


def test_many_threads_at_once(tmp_path: Path) -> None:
    paths = [
        images.rgb_tif(tmp_path / f"{n}.tif", seed=n) if n % 2 else images.plain_tif(tmp_path / f"{n}.tif") for n in range(8)
    ]
    alone = [[tile.pixels for tile in tiles(path)] for path in paths]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda path: [tile.pixels for tile in tiles(path)], paths * 3))
    for first, second in zip(alone * 3, together, strict=True):
        assert np.array_equal(first, second)


def test_other_formats_of_gdal_are_not_opened(tmp_path: Path) -> None:
    good = images.rgb_tif(tmp_path / "good.tif")
    texts = (
        f'<VRTDataset rasterXSize="64" rasterYSize="64"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        f"<SourceFilename>{good}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>",
        '<GDAL_WMS><Service name="TMS"><ServerUrl>http://127.0.0.1:9/</ServerUrl></Service></GDAL_WMS>',
        "P5 2 2 255 abcd",
    )
    for text in texts:
        for data in (text.encode(), b"II*\x00" + text.encode()):
            (tmp_path / "x.tif").write_bytes(data)
            with pytest.raises(UnreadableImage):
                tiles(tmp_path / "x.tif")


@pytest.mark.parametrize("seed", range(4))
def test_damaged_tiffs_never_raise_anything_unnamed(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    path = tmp_path / "x.tif"
    options = [
        {},
        {"compress": "deflate"},
        {"compress": "lzw", "tiled": True, "blockxsize": 32, "blockysize": 32},
        {"compress": "jpeg"},
    ]
    whole = images.geotiff(path, nodata=0, **options[seed]).read_bytes()  # type: ignore[arg-type]
    for _ in range(40):
        data = bytearray(whole)
        if rng.random() < 0.3:
            del data[int(rng.integers(8, len(data))) :]
        for _ in range(int(rng.integers(1, 6))):
            data[int(rng.integers(4, min(len(data), 600 if rng.random() < 0.7 else len(data))))] = int(rng.integers(256))
        path.write_bytes(data)
        try:
            tiles(path, spec(max_pixels=1_000_000))
        except DyadError as error:
            assert str(tmp_path) not in str(error)
            assert len(str(error)) > 20


def test_a_scene_cut_short_is_refused(tmp_path: Path) -> None:
    whole = images.rgb_tif(tmp_path / "x.tif", compress="deflate").read_bytes()
    path = tmp_path / "y.tif"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(UnreadableImage, match="damaged or truncated") as caught:
        tiles(path)
    assert str(tmp_path) not in str(caught.value)


def test_colour_order_in_the_file_does_not_matter(tmp_path: Path) -> None:
    values = images.textured(3, 64, 64)
    path = images.geotiff(tmp_path / "x.tif", values, colours=(ColorInterp.blue, ColorInterp.green, ColorInterp.red))
    assert np.array_equal(tiles(path)[0].pixels, np.moveaxis(values[::-1], 0, -1))


def test_real_scenes(data_dir: Path) -> None:
    expected = {
        "geotiff/RGB.byte.tif": (10, 299.9), "geotiff/band1.tif": (9, 199.9), "geotiff/cog1.tif": (12, 300.2),
        "geotiff/cogeo.tif": (16, 0.4723), "geotiff/colorado_aerial.tif": (2, 0.15), "geotiff/rmnp-rgb.tif": (4, 146.9),
        "multidate/landsat/1985.tif": (6, 89.23), "multidate/naip/m_4709963_se_14_1_20100629.tif": (12, 5.002),
    }  # fmt: skip
    for name, (number, gsd) in expected.items():
        found = tiles(data_dir / name, spec(tile_size=256, stride=256))
        assert len(found) == number, name
        assert found[0].gsd == pytest.approx(gsd, rel=0.001), name
        assert all(tile.pixels.std() > 5 for tile in found), name
    assert found[0].datetime == datetime(2010, 6, 29, tzinfo=UTC)
    assert found[0].properties["platform"] == "naip"


@pytest.mark.parametrize("has_mask", [False, True])
def test_threads_cut_the_same_tiles_in_the_same_order(tmp_path: Path, has_mask: bool) -> None:
    path = images.rgb_tif(tmp_path / "x.tif", 300, 400)
    if has_mask:
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as scene:
            shown = np.ones((300, 400), np.bool_)
            shown[:100, :100] = False
            scene.write_mask(shown)
    alone, together = list(cut(path, "x.tif", spec())), list(cut(path, "x.tif", spec(), threads=3))
    assert len(alone) == len(together)
    assert (None in alone) is has_mask
    for one, other in zip(alone, together, strict=True):
        if one is None or other is None:
            assert one is other
            continue
        assert np.array_equal(one.pixels, other.pixels)
        for field in ("window", "image", "image_suffix", "preview", "geometry", "gsd", "properties", "stretch", "grid"):
            assert getattr(one, field) == getattr(other, field), field
