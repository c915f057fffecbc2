"""Thumbnails and what a person sees of scenes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.errors import TooLarge, UnreadableImage
from app.imagery.pictures.previews import thumbnail
from tests.support import images
from tests.support.cutting import spec, tiles


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(("width", "height", "expected"), [(400, 200, (128, 64)), (90, 300, (38, 128)), (50, 40, (50, 40))])
def test_the_aspect_is_kept_and_nothing_is_enlarged(tmp_path: Path, width: int, height: int, expected: tuple[int, int]) -> None:
    for name in ("x.jpg", "x.png", "x.webp"):
        path = images.saved(tmp_path / name, images.picture(width=width, height=height))
        data, media_type = thumbnail(path.read_bytes(), 128, 1_000_000)
        assert media_type == "image/jpeg"
        assert opened(data).format == "JPEG"
        assert opened(data).size == pytest.approx(expected, abs=1)


def test_transparency_stays(tmp_path: Path) -> None:
    data, media_type = thumbnail(images.saved(tmp_path / "x.png", images.picture("RGBA")).read_bytes(), 32, 1_000_000)
    assert media_type == "image/png"
    assert opened(data).mode == "RGBA"


def test_every_mode_gives_a_thumbnail(tmp_path: Path) -> None:
    for path in (
        images.cmyk_jpeg(tmp_path / "c.jpg"),
        images.deep_png(tmp_path / "d.png"),
        images.palette_png(tmp_path / "p.png"),
    ):
        picture = opened(thumbnail(path.read_bytes(), 48, 1_000_000)[0])
        assert np.asarray(picture.convert("L")).std() > 10


def test_bad_bytes_and_bombs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage):
        thumbnail(b"nonsense", 64, 1_000_000)
    with pytest.raises(UnreadableImage):
        thumbnail(images.truncated_jpeg(tmp_path / "x.jpg").read_bytes(), 64, 1_000_000)
    with pytest.raises(TooLarge):
        thumbnail(images.jpeg_bytes(), 64, 1000)


def test_dark_scenes_are_brightened_and_good_ones_left_alone(tmp_path: Path) -> None:
    dark = images.geotiff(tmp_path / "dark.tif", images.textured(3, 64, 64) // 8, photometric="RGB")
    (tile,) = tiles(dark)
    assert tile.preview is not None
    assert tile.pixels.max() < 40, "the model sees what is there"
    assert np.asarray(opened(tile.preview)).max() > 200, "people see a picture"
    good = images.geotiff(tmp_path / "good.tif", images.textured(3, 64, 64), photometric="RGB")
    (tile,) = tiles(good)
    assert tile.preview is not None
    assert abs(float(np.asarray(opened(tile.preview)).mean()) - float(tile.pixels.mean())) < 3


def test_previews_show_red_green_blue_whatever_the_model_sees(tmp_path: Path) -> None:
    (tile, *_) = tiles(images.four_band_tif(tmp_path / "x.tif"), spec(bands=("nir",), band_count=1))
    assert tile.preview is not None
    assert opened(tile.preview).mode == "RGB"


def test_previews_are_small(tmp_path: Path) -> None:
    found = tiles(images.rgb_tif(tmp_path / "x.tif", 600, 600), spec(tile_size=600, stride=600))
    assert found[0].preview is not None
    assert opened(found[0].preview).size == (256, 256)
