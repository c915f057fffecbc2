"""Cache of decoded and resized images as one memory-mapped array."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
from numpy.typing import NDArray

from models.data.errors import DataError
from models.data.folders import ImageList
from models.data.images import read_image, to_square

VERSION = 1
"""Increase it when decoding or resizing changes, so that older caches are not used."""


def load_pixels(
    images: ImageList,
    size: int,
    folder: Path,
    *,
    bands: tuple[int, ...] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.uint8]:
    """(N, size, size, B) uint8 of the images in their order, memory-mapped from a file in `folder`, written if it is missing.

    The file's name is a digest of the images' bytes, the size and the bands: changed images or another size make another file.
    bands: 0-based, which and in what order; None for all. progress: called with (done, N) while decoding.
    The array is mapped copy-on-write: writing to it changes no file.

    Raises:
        DataError: an image cannot be read or has other bands than the first.
    """
    digest = hashlib.sha256(repr((VERSION, size, bands)).encode())
    for name in images.hashes:
        digest.update(bytes.fromhex(name))
    target = folder / f"{digest.hexdigest()[:32]}-{size}.npy"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write(images, size, bands, target, progress or _silent)
    pixels: NDArray[np.uint8] = np.load(target, mmap_mode="c")
    return pixels


def _write(
    images: ImageList, size: int, bands: tuple[int, ...] | None, target: Path, progress: Callable[[int, int], None]
) -> None:
    with NamedTemporaryFile(dir=target.parent, prefix=".part-", suffix=".npy", delete=False) as file:
        part = Path(file.name)
    try:
        first = _decode(images.paths[0], size, bands)
        shape = (len(images), *first.shape)
        pixels = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
        # decoding releases the interpreter lock, so threads use all cores
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            decoded = pool.map(lambda path: _decode(path, size, bands), images.paths)
            for index, (path, image) in enumerate(zip(images.paths, decoded, strict=True)):
                if image.shape != first.shape:
                    raise DataError(f"{path} has {image.shape[2]} bands, {images.paths[0]} has {first.shape[2]}; select bands")
                pixels[index] = image
                progress(index + 1, len(images))
        pixels.flush()
        del pixels
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _decode(path: Path, size: int, bands: tuple[int, ...] | None) -> NDArray[np.uint8]:
    pixels = read_image(path, at_least=size)
    if bands is None:
        return to_square(pixels, size)
    if max(bands) >= pixels.shape[2]:
        raise DataError(f"{path} has {pixels.shape[2]} bands; there is no band {max(bands)} (counted from 0)")
    return to_square(pixels[:, :, list(bands)], size)


def _silent(_done: int, _total: int) -> None:
    """No progress output."""
