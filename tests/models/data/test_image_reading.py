from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from models.data.errors import DataError
from models.data.images import read_image, to_bytes, to_square

RANDOM = np.random.default_rng(0)


def gradient(height: int, width: int, bands: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    rows = np.linspace(0, 255, height)[:, None, None]
    columns = np.linspace(0, 255, width)[None, :, None]
    return np.broadcast_to((rows + columns) / 2, (height, width, bands)).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_reads_pictures(tmp_path: Path, suffix: str) -> None:
    pixels = gradient(40, 60, 3)
    path = tmp_path / f"a{suffix}"
    Image.fromarray(pixels).save(path, quality=95)
    read = read_image(path)
    assert read.shape == (40, 60, 3)
    assert np.abs(read.astype(int) - pixels).max() < 12


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "1", "I;16"])
def test_reads_every_kind_as_three_bands(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    if mode == "I;16":
        Image.fromarray(gradient(20, 30, 1)[:, :, 0].astype(np.uint16) * 257).save(path)
    else:
        Image.fromarray(gradient(20, 30, 3)).convert(mode).save(path)
    read = read_image(path)
    assert read.shape == (20, 30, 3)
    assert read.dtype == np.uint8
    assert read[0, 0].mean() < read[-1, -1].mean()


def test_turns_pictures_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(gradient(20, 30, 3)).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (30, 20, 3)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_reads_all_bands_of_a_tiff(tmp_path: Path, dtype: str) -> None:
    values = RANDOM.integers(0, 200, (5, 24, 32)).astype(dtype)
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=32, height=24, count=5, dtype=dtype, transform=rasterio.Affine(1, 0, 9, 0, -1, 9)
    ) as target:
        target.write(values)
    read = read_image(path)
    assert read.shape == (24, 32, 5)
    if dtype == "uint8":
        np.testing.assert_array_equal(read, np.moveaxis(values, 0, -1))
    else:
        low, high = np.percentile(values[2], (2, 98))
        expected = np.clip(np.rint((values[2].astype(float) - low) / (high - low) * 255), 0, 255)
        np.testing.assert_array_equal(read[:, :, 2], expected)


def test_stretches_without_what_is_not_valid() -> None:
    values = np.array([[[np.nan], [1.0], [2.0]], [[3.0], [1e9], [np.inf]]])
    valid = np.array([[True, True, True], [True, False, True]])
    stretched = to_bytes(values, valid)[:, :, 0]
    np.testing.assert_array_equal(stretched, [[0, 0, 128], [255, 0, 0]])
    assert not to_bytes(np.full((2, 2, 1), np.nan)).any()


@pytest.mark.parametrize("content", [b"", b"this is text", b"\xff\xd8\xff\xe0 and then nothing"])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_names_the_file_that_is_no_image(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"broken.* cannot be read as an image"):
        read_image(path)
    with pytest.raises(DataError, match="missing"):
        read_image(tmp_path / f"missing{suffix}")


@pytest.mark.parametrize("bands", [1, 3, 4])
def test_squares_without_aliasing(bands: int) -> None:
    stripes = np.zeros((64, 64, bands), np.uint8)
    stripes[:, ::2] = 255
    small = to_square(stripes, 16)
    assert small.shape == (16, 16, bands)
    assert np.abs(small[2:-2, 2:-2].astype(int) - 128).max() <= 16
    assert to_square(stripes, 64) is not None
    np.testing.assert_array_equal(to_square(stripes, 64), stripes)


def test_a_reduced_jpeg_resizes_like_the_full_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(gradient(256, 256, 3)).save(path, quality=95)
    reduced = read_image(path, at_least=32)
    assert reduced.shape == (64, 64, 3)
    difference = to_square(reduced, 32).astype(int) - to_square(read_image(path), 32)
    assert np.abs(difference).max() <= 4
