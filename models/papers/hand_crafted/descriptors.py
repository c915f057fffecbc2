"""Hand-crafted descriptors of images, by scikit-image: histograms of gradients, local binary patterns, dense SIFT.

Each takes one (S, S, 3) uint8 image, red, green, blue, and gives an array whose shape depends on S only.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.feature import SIFT, local_binary_pattern
from skimage.feature import hog as histograms

VERSION = 1
"""Increase it when a descriptor changes, so that older cache files are not used."""
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
HOG_CELLS, HOG_ORIENTATIONS = 3, 9
LBP_POINTS, LBP_RADIUS = 16, 2
SIFT_STRIDE, SIFT_SIGMAS = 16, (1.6, 3.2, 6.4)
"""Pixels between grid points, and the blur of each octave."""
FEW = 100
"""Number of images below which no processes are started."""

Description = NDArray[np.float32] | NDArray[np.uint8]
Describe = Callable[[NDArray[np.uint8]], Description]


def hog(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(81,): nine orientations in 3 x 3 cells of the luma, normalised as one block (L2-Hys)."""
    side = len(image) // HOG_CELLS
    found = histograms(
        image @ LUMA,
        orientations=HOG_ORIENTATIONS,
        pixels_per_cell=(side, side),
        cells_per_block=(HOG_CELLS, HOG_CELLS),
        block_norm="L2-Hys",
    )
    return np.asarray(found, dtype=np.float32)


def lbp_rgb(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(54,): shares of the 18 uniform patterns of 16 points at radius 2, by band; without circles that leave the image."""
    inner = slice(LBP_RADIUS, -LBP_RADIUS)
    counted = []
    for band in range(image.shape[2]):
        plane = np.ascontiguousarray(image[:, :, band])
        codes = local_binary_pattern(plane, LBP_POINTS, LBP_RADIUS, "uniform")  # type: ignore[no-untyped-call]
        patterns = codes[inner, inner].astype(np.int64).ravel()
        counted.append(np.bincount(patterns, minlength=LBP_POINTS + 2) / len(patterns))
    return np.concatenate(counted).astype(np.float32)


def dense_sift(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(G, 128): SIFT of the luma, upright, at every point of a grid, in three octaves; all 0 for a constant patch.

    scikit-image has no dense SIFT, but describes the key points that its `SIFT` object holds: here the points of a grid.
    """
    steps = np.arange(SIFT_STRIDE / 2, len(image), SIFT_STRIDE)
    grid = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    octaves = np.repeat(np.arange(len(SIFT_SIGMAS)), len(grid))
    options = {"upsampling": 1, "n_octaves": len(SIFT_SIGMAS), "n_scales": 1, "sigma_min": SIFT_SIGMAS[0]}
    sift = SIFT(**options)  # type: ignore[no-untyped-call]
    sift.positions, sift.octaves = np.tile(grid, (len(SIFT_SIGMAS), 1)), octaves
    sift.scales, sift.orientations = np.zeros_like(octaves), np.zeros(len(octaves))
    sift.sigmas = np.array(SIFT_SIGMAS)[octaves]
    with np.errstate(invalid="ignore", divide="ignore"):  # a flat patch is 0 / 0, which is cast to 0
        sift.extract(image.astype(np.float32) @ (LUMA / 255))  # type: ignore[no-untyped-call]
    return np.asarray(sift.descriptors, dtype=np.uint8)


def describe_all(
    describe: Describe,
    pixels: NDArray[np.uint8],
    folder: Path,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[Any]:
    """(N, ...) descriptions of (N, S, S, 3) uint8 images, memory-mapped from a file in `folder`, written if it is missing.

    describe: one of this module. workers: processes, None for one a core. progress: called with (done, N).
    """
    # the digest makes another file for other images
    digest = hashlib.sha256(f"{VERSION} {describe.__name__} {pixels.shape}".encode())
    for image in pixels:
        digest.update(image.tobytes())
    target = folder / f"{describe.__name__}-{digest.hexdigest()[:16]}.npy"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        workers = 1 if len(pixels) < FEW else workers or os.cpu_count() or 1
        _write(target, _described(describe, pixels, workers), len(pixels), progress)
    described: NDArray[Any] = np.load(target, mmap_mode="r")
    return described


def _described(describe: Describe, pixels: NDArray[np.uint8], workers: int) -> Iterator[Description]:
    if workers == 1:
        yield from map(describe, pixels)
        return
    # spawn: a process with torch's threads must not be forked
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(describe, (np.asarray(image) for image in pixels), chunksize=16)


def _write(target: Path, described: Iterator[Description], count: int, progress: Callable[[int, int], None] | None) -> None:
    with NamedTemporaryFile(dir=target.parent, prefix=".part-", suffix=".npy", delete=False) as file:
        part = Path(file.name)
    try:
        first = next(described)
        stored = np.lib.format.open_memmap(part, mode="w+", dtype=first.dtype, shape=(count, *first.shape))
        stored[0] = first
        for index, each in enumerate(described, 1):
            stored[index] = each
            if progress is not None:
                progress(index + 1, count)
        stored.flush()
        del stored
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
