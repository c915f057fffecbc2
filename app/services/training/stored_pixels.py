"""Reads tiles of a collection as the pixels that its model saw, from their stored images."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from app.domain.tiles import Tile
from app.errors import InvalidInput, NotFound, TooLarge, UnreadableImage
from app.imagery.tiling.tiler import CutSpec, read_tile
from app.ports import Blobs

log = logging.getLogger(__name__)

READERS = 4
"""Number of threads. On a busy service each thread waits for the interpreter lock several times per tile."""


class StoredPixels:
    """Reads tiles of one collection. spec: how its files are cut for the model."""

    def __init__(self, blobs: Blobs, spec: CutSpec) -> None:
        self._blobs = blobs
        self._spec = spec

    @property
    def shape(self) -> tuple[int, int, int]:
        """(S, S, B), the shape of a tile."""
        return self._spec.input_size, self._spec.input_size, self._spec.band_count

    def read(self, tile: Tile) -> NDArray[np.uint8] | None:
        """(S, S, B) uint8 pixels; None, with a log line, if the tile's image is missing or damaged."""
        try:
            return read_tile(self._blobs.get(tile.image), self._spec, tile.stretch, window=tile.window)
        except (NotFound, UnreadableImage, TooLarge, InvalidInput) as error:
            log.warning("tile %s is left out: %s", tile.id, error)
            return None

    def read_all(self, tiles: Iterable[Tile]) -> Iterator[tuple[Tile, NDArray[np.uint8]]]:
        """The tiles that can be read, with their pixels, in order. For a few dozen tiles: all of them are in memory."""
        with ThreadPoolExecutor(READERS, "dyad-pixels") as pool:
            listed = list(tiles)
            for tile, pixels in zip(listed, pool.map(self.read, listed), strict=True):
                if pixels is not None:
                    yield tile, pixels
