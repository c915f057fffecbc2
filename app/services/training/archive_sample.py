"""A sample of an index's unlabelled tiles, whose candidate features a training program needs for the calibration."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from app.domain.tiles import Tile
from app.errors import NotFound
from app.ports import JobContext, VectorStore
from app.services.training.npy_writer import NpyWriter
from models.bundle.manifest import ARCHIVE

READ = 64
"""Tiles per read; small, so that searches do not wait long."""


class ArchiveSample:
    """Collects ids while an index of `size` tiles is read in the order of ids."""

    def __init__(self, size: int) -> None:
        self._step = max(1, -(-size // ARCHIVE))
        self._rows: list[int] = []
        self._ids: list[bytes] = []

    def add(self, first: int, tiles: Sequence[Tile]) -> None:
        """Add the next tiles. first: row of the first of them."""
        for row, tile in enumerate(tiles, first):
            if row % self._step == 0 and not tile.labels and len(self._rows) < ARCHIVE:
                self._rows.append(row)
                self._ids.append(uuid.UUID(tile.id).bytes)

    def write(self, folder: Path, vectors: VectorStore, index: str, dimension: int, context: JobContext) -> None:
        """Write archive_rows.npy and archive_pairs.npy. A read of which a tile was deleted since is left out.

        dimension: number of values of the candidate features.

        Raises:
            Cancelled, Interrupted: the job has to stop.
        """
        with (
            NpyWriter(folder / "archive_rows.npy", np.int64, ()) as rows,
            NpyWriter(folder / "archive_pairs.npy", np.uint8, (dimension,)) as pairs,
        ):
            for start in range(0, len(self._rows), READ):
                context.check()
                part = slice(start, start + READ)
                try:
                    found = vectors.retrieve_vectors(index, [str(uuid.UUID(bytes=each)) for each in self._ids[part]]).pair
                except NotFound:
                    continue
                if found is not None:
                    rows.append(np.array(self._rows[part], np.int64))
                    pairs.append(found)
