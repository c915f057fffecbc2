from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data.cache import load_pixels
from models.data.errors import DataError
from models.data.folders import ImageList, list_images
from models.data.images import read_image, to_square
from models.data.statistics import band_statistics


@pytest.fixture
def images(tmp_path: Path) -> ImageList:
    random = np.random.default_rng(0)
    for name in "abcde":
        Image.fromarray(random.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    return list_images(tmp_path)


def test_holds_the_resized_images_in_order(images: ImageList, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    pixels = load_pixels(images, 16, tmp_path / "cache", progress=lambda done, total: calls.append((done, total)))
    assert isinstance(pixels, np.memmap)
    assert calls == [(n, 5) for n in range(1, 6)]
    for path, row in zip(images.paths, pixels, strict=True):
        np.testing.assert_array_equal(row, to_square(read_image(path), 16))


def test_decodes_once(images: ImageList, tmp_path: Path) -> None:
    first = load_pixels(images, 16, tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    written = hashlib.sha256(file.read_bytes()).digest()
    for path in images.paths:
        path.unlink()
    again = load_pixels(images, 16, tmp_path / "cache")
    np.testing.assert_array_equal(first, again)
    again[:] = 0  # copy on write
    assert hashlib.sha256(file.read_bytes()).digest() == written


def test_another_content_size_order_or_band_is_another_file(images: ImageList, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    load_pixels(images, 16, folder)
    load_pixels(images, 20, folder)
    load_pixels(images.take([1, 0]), 16, folder)
    chosen = load_pixels(images, 16, folder, bands=(2, 0))
    assert len(list(folder.iterdir())) == 4
    np.testing.assert_array_equal(chosen[0], to_square(read_image(images.paths[0])[:, :, [2, 0]], 16))
    Image.new("RGB", (9, 9)).save(images.paths[0])
    load_pixels(list_images(images.paths[0].parent), 16, folder)


def test_a_broken_image_leaves_nothing_behind(images: ImageList, tmp_path: Path) -> None:
    images.paths[3].write_bytes(b"broken")
    with pytest.raises(DataError, match=r"d\.png cannot be read"):
        load_pixels(images, 16, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())
    with pytest.raises(DataError, match="there is no band 3"):
        load_pixels(images, 16, tmp_path / "cache", bands=(0, 3))


def test_band_statistics_are_those_of_the_rows(images: ImageList, tmp_path: Path) -> None:
    pixels = load_pixels(images, 16, tmp_path / "cache").copy()
    pixels[:, :, :, 1] = 51
    mean, std = band_statistics(pixels, np.array([0, 2, 3]))
    expected = pixels[[0, 2, 3]] / 255
    np.testing.assert_allclose(mean, expected.mean((0, 1, 2)))
    np.testing.assert_allclose(std[0], expected[..., 0].std())
    assert std[1] == 1.0
