"""Single images: every colour mode, upright, and refusals that a person understands."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.domain.collections import Scaling
from app.errors import InvalidInput, ModelMismatch, TooLarge, UnreadableImage
from app.imagery.pictures import decode as decoding
from app.imagery.raster.decode_budget import DecodeBudget
from app.imagery.tiling.tiler import count_windows, read_query
from tests.support import images
from tests.support.cutting import spec, tiles


def close(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two (64, 64, 3) pictures agree but for what lossy formats change."""
    coarse = [picture.reshape(8, 8, 8, 8, 3).mean(axis=(1, 3)) for picture in (first, second)]
    return float(np.abs(coarse[0] - coarse[1]).mean()) < 10


@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.webp"])
def test_a_plain_image_is_its_own_tile(tmp_path: Path, name: str) -> None:
    path = images.saved(tmp_path / name)
    (tile,) = tiles(path)
    assert tile.window is None
    assert (tile.geometry, tile.datetime, tile.gsd) == (None, None, None)
    assert tile.image == path
    assert tile.image_suffix == path.suffix
    assert tile.preview is None
    assert tile.pixels.shape == (64, 64, 3)
    assert tile.pixels.dtype == np.uint8
    assert close(tile.pixels, np.asarray(images.picture()))
    assert count_windows(path, spec()) == 1


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA", "CMYK", "YCbCr", "I;16"])
def test_every_mode_is_read(tmp_path: Path, mode: str) -> None:
    is_jpeg = mode in ("CMYK", "YCbCr")
    path = tmp_path / ("x.jpg" if is_jpeg else "x.png")
    if mode == "I;16":
        images.deep_png(path)
    else:
        images.saved(path, images.picture(mode))
    (tile,) = tiles(path)
    assert tile.pixels.shape == (64, 64, 3)
    assert tile.pixels.std() > 10
    assert (tile.preview is None) == (mode in ("L", "RGBA", "LA", "YCbCr"))


def test_cmyk_becomes_the_colours_that_it_prints(tmp_path: Path) -> None:
    (tile,) = tiles(images.cmyk_jpeg(tmp_path / "x.jpg"))
    assert close(tile.pixels, np.asarray(images.picture("CMYK").convert("RGB")))


def test_sixteen_bits_are_stretched_by_percentiles_or_as_told(tmp_path: Path) -> None:
    path = images.deep_png(tmp_path / "x.png")
    raw = images.textured(1, 64, 64, "uint16")[0].astype(float)
    (automatic,) = tiles(path)
    low, high = np.percentile(raw, (2, 98))
    expected = np.clip(np.rint((raw - low) * 255 / (high - low)), 0, 255)
    assert np.abs(automatic.pixels[:, :, 0] - expected).max() <= 1
    (fixed,) = tiles(path, spec(Scaling(method="range", low=0, high=4000)))
    assert np.abs(fixed.pixels[:, :, 0] - raw * 255 / 4000).max() <= 1


def test_transparent_pixels_are_black_and_a_transparent_image_is_refused(tmp_path: Path) -> None:
    picture = images.picture()
    picture.putalpha(Image.new("L", picture.size, 255))
    picture.paste((0, 0, 0, 0), (0, 0, 32, 64))
    values = np.asarray(picture).copy()
    values[:, :32, :3] = 200
    (tile,) = tiles(images.saved(tmp_path / "x.png", Image.fromarray(values)))
    assert tile.pixels[:, :32].max() == 0
    assert tile.pixels[:, 32:].min() > 0
    values[..., 3] = 0
    with pytest.raises(InvalidInput, match="transparent"):
        tiles(images.saved(tmp_path / "y.png", Image.fromarray(values)))


def test_orientation_is_honoured(tmp_path: Path) -> None:
    picture = images.picture(width=96, height=64)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = images.saved(tmp_path / "x.jpg", picture, exif=exif, quality=95)
    upright = images.saved(tmp_path / "y.jpg", picture.rotate(-90, expand=True), quality=95)
    assert close(read_query(turned, spec()), read_query(upright, spec()))


def test_a_grey_image_fits_a_model_of_one_band_and_colours_do_not_fit_four(tmp_path: Path) -> None:
    grey = images.saved(tmp_path / "x.jpg", images.picture("L"))
    assert tiles(grey, spec(band_count=1))[0].pixels.shape == (64, 64, 1)
    with pytest.raises(ModelMismatch, match="the file has 3 bands, but the model takes 4 bands"):
        tiles(images.saved(tmp_path / "y.jpg"), spec(band_count=4))
    with pytest.raises(ModelMismatch, match="band 5 is selected"):
        tiles(grey, spec(bands=(5, 5, 5)))


def test_bands_select_and_order_by_number_and_name(tmp_path: Path) -> None:
    path = images.saved(tmp_path / "x.png")
    plain = read_query(path, spec())
    assert np.array_equal(read_query(path, spec(bands=(3, 2, 1))), plain[:, :, ::-1])
    assert np.array_equal(read_query(path, spec(bands=("Blue", 2, "red"))), plain[:, :, ::-1])


@pytest.mark.parametrize("side", [32, 64, 300, 700])
def test_any_size_comes_out_square(tmp_path: Path, side: int) -> None:
    for name in ("x.jpg", "x.png"):
        path = images.saved(tmp_path / name, images.picture(width=side, height=side + 40))
        assert read_query(path, spec()).shape == (64, 64, 3)


def test_shrinking_does_not_alias(tmp_path: Path) -> None:
    board = (np.indices((512, 512)).sum(axis=0) % 2 * 255).astype(np.uint8)
    for name in ("x.png", "x.jpg"):
        path = images.saved(tmp_path / name, Image.fromarray(board))
        assert read_query(path, spec()).std() < 8


def test_bytes_and_file_read_the_same(tmp_path: Path) -> None:
    for path in (images.saved(tmp_path / "x.jpg"), images.palette_png(tmp_path / "x.png"), images.rgb_tif(tmp_path / "x.tif")):
        assert np.array_equal(read_query(path, spec()), read_query(path.read_bytes(), spec()))


def test_what_cannot_be_read_is_refused_with_a_reason(tmp_path: Path) -> None:
    cases = {
        images.empty_file(tmp_path / "a.jpg"): "empty",
        images.text_tif(tmp_path / "b.tif"): "not an image.*JPEG, PNG, WebP, TIFF and GeoTIFF",
        images.truncated_jpeg(tmp_path / "c.jpg"): "damaged or truncated",
    }
    for path, reason in cases.items():
        with pytest.raises(UnreadableImage, match=reason) as caught:
            tiles(path)
        assert str(tmp_path) not in str(caught.value)
        assert count_windows(path, spec()) <= 1
        with pytest.raises(UnreadableImage, match=reason):
            read_query(path.read_bytes(), spec())


def test_every_cut_of_an_image_is_refused_or_read(tmp_path: Path) -> None:
    """No prefix of a valid file raises anything but a named error."""
    for name in ("x.jpg", "x.png", "x.webp"):
        whole = images.saved(tmp_path / name).read_bytes()
        for end in range(12, len(whole) - 12, max(1, len(whole) // 60)):
            with pytest.raises(UnreadableImage, match=r"damaged|not an image"):
                read_query(whole[:end], spec())


def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    path = images.png_bomb(tmp_path / "bomb.png")
    assert path.stat().st_size < 20_000_000
    whole = images.png_bomb(tmp_path / "small.png", side=500)
    assert read_query(whole, spec()).max() == 0
    with pytest.raises(TooLarge, match=re.escape("60000 x 60000 pixels; the limit is 10000000 (DYAD_MAX_PIXELS)")):
        tiles(path)


def test_small_limit_holds_for_every_format(tmp_path: Path) -> None:
    for path in (images.saved(tmp_path / "x.jpg"), images.saved(tmp_path / "x.webp"), images.plain_tif(tmp_path / "x.tif")):
        with pytest.raises(TooLarge, match="DYAD_MAX_PIXELS"):
            tiles(path, spec(max_pixels=4000))


def test_real_images_keep_their_pixels(data_dir: Path) -> None:
    path = data_dir / "ucmerced" / "harbor" / "harbor00.jpg"
    (tile,) = tiles(path, spec(input_size=256))
    with Image.open(path) as image:
        assert np.abs(tile.pixels.astype(int) - np.asarray(image.convert("RGB")).astype(int)).mean() < 1


@pytest.mark.parametrize(
    ("form", "mode", "per_pixel"),
    [("WEBP", "RGB", 24), ("WEBP", "RGBA", 24), ("PNG", "P", 12), ("PNG", "RGB", 12), ("PNG", "L", 8), ("JPEG", "CMYK", 12)],
)
def test_memory_is_counted_by_format_and_mode(tmp_path: Path, form: str, mode: str, per_pixel: int) -> None:
    Image.new("RGB", (50, 20)).convert(mode).save(tmp_path / "x", form)
    with Image.open(tmp_path / "x") as image:
        assert decoding.bytes_to_decode(image) == per_pixel * 50 * 20


def test_a_webp_that_takes_more_than_the_budget_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, other = images.saved(tmp_path / "x.webp"), images.saved(tmp_path / "x.png")
    needed = 24 * 64 * 64
    monkeypatch.setattr(decoding, "BUDGET", DecodeBudget(needed))
    assert decoding.decode(path, 10_000).size == (64, 64)
    monkeypatch.setattr(decoding, "BUDGET", DecodeBudget(needed - 1))
    assert decoding.decode(other, 10_000).size == (64, 64)
    with pytest.raises(TooLarge, match=r"WEBP image of 64 x 64 pixels takes .*DYAD_DECODE_MB.*save it as JPEG or PNG"):
        decoding.decode(path, 10_000)
