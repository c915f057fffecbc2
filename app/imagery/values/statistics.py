"""Samples values from all over a scene, for its percentiles, without reading all of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.tiles import Window
from app.errors import InvalidInput
from app.imagery.raster import windows
from app.imagery.raster.crops import Block
from app.imagery.raster.geotiff import Raster

SIDE = 512
CHEAP_PIXELS = 32_000_000
GRID, PATCH = 8, 64
SCAN_TILE, SCAN_WINDOWS = 1024, 1000

Sample = tuple[NDArray[Any], NDArray[np.bool_]]
"""Values (B, N, 1) in the file's type, and which of them are valid."""


def sample_values(raster: Raster, positions: Sequence[int], eye: Sequence[int]) -> tuple[Sample, Sample]:
    """Samples of the bands at `positions`, for the model, and of those at `eye`, for previews.

    Raises:
        InvalidInput: a band for the model has no valid value. UnreadableImage: the file is damaged.
    """
    needed = sorted({*positions, *eye})
    blocks = [block for block, _ in sample_blocks(raster, needed)]
    missing = _missing(raster, blocks, positions)
    if missing:
        blocks += _search(raster, missing, needed)
    return _gather(raster, blocks, positions), _gather(raster, blocks, eye)


def sample_blocks(raster: Raster, needed: Sequence[int]) -> Iterator[tuple[Block, NDArray[np.bool_]]]:
    """The scene decimated to 512 pixels, or small patches on a grid if that would decode too much.

    Each block comes with a (h, w) mask of its pixels on the edge of the scene, as `Raster.bands` turns them.
    """
    if raster.width * raster.height <= CHEAP_PIXELS * raster.overview_factor**2:
        factor = max(1.0, max(raster.width, raster.height) / SIDE)
        shape = (max(1, round(raster.height / factor)), max(1, round(raster.width / factor)))
        yield raster.read(shape=shape, positions=needed), raster.turned(_edge(shape, True, True, True, True))
        return
    for row in np.linspace(0, max(0, raster.height - PATCH), GRID, dtype=int):
        for col in np.linspace(0, max(0, raster.width - PATCH), GRID, dtype=int):
            window = Window(int(col), int(row), min(PATCH, raster.width), min(PATCH, raster.height))
            ends = (col == 0, row == 0, col + window.width == raster.width, row + window.height == raster.height)
            yield raster.read(window, positions=needed), raster.turned(_edge((window.height, window.width), *map(bool, ends)))


def _edge(shape: tuple[int, int], left: bool, top: bool, right: bool, bottom: bool) -> NDArray[np.bool_]:
    edge = np.zeros(shape, np.bool_)
    edge[:, 0] |= left
    edge[0, :] |= top
    edge[:, -1] |= right
    edge[-1, :] |= bottom
    return edge


def _search(raster: Raster, missing: Sequence[int], needed: Sequence[int]) -> list[Block]:
    """Read windows until every band at `missing` has a valid value; returns the blocks that have one."""
    found: list[Block] = []
    missing = list(missing)
    grid = windows.grid(raster.width, raster.height, SCAN_TILE, SCAN_TILE)
    for _, window in zip(range(SCAN_WINDOWS), grid, strict=False):
        block = raster.read(window, positions=needed)
        still = _missing(raster, [block], missing)
        if len(still) < len(missing):
            found.append(block)
            missing = still
        if not missing:
            return found
    raise InvalidInput(f"band {missing[0] + 1} has no valid values: all of it is nodata or NaN; select other bands")


def _missing(raster: Raster, blocks: Sequence[Block], positions: Sequence[int]) -> list[int]:
    """The bands at `positions` without a valid value in any block."""
    seen = np.zeros(len(positions), np.bool_)
    for block in blocks:
        seen |= raster.bands(block, positions)[1].any(axis=(1, 2))
    return [position for position, is_seen in zip(positions, seen, strict=True) if not is_seen]


def _gather(raster: Raster, blocks: Sequence[Block], positions: Sequence[int]) -> Sample:
    parts = [raster.bands(block, positions) for block in blocks]
    values = np.concatenate([values.reshape(len(values), -1, 1) for values, _ in parts], axis=1)
    return values, np.concatenate([valid.reshape(len(valid), -1, 1) for _, valid in parts], axis=1)
