"""Exports a collection as files, for a training program that does not open the vector store.

For all N tiles, ordered by id:

    features.npy    (N, F) float16, only on request
    embeddings.npy  (N, D) float32
    labels.npy      (N, C) bool, which of the manifest's classes a tile has
    held_out.npy    (N,) bool, tiles that training must not use
    places.npy      (N,) int64, place of a labelled tile, -1 without a label; see `app.domain.places.place_groups`

For a model with a matcher, also of L labelled tiles (including held-out ones), as evenly distributed over the classes as
possible:

    rows.npy        (L,) int64, their rows among the N, ascending
    pairs.npy       (L, P) uint8, their candidate features
    pixels.npy      (L, S, S, B) uint8, as the model sees them

and of A unlabelled tiles, evenly distributed over the order of ids:

    archive_rows.npy   (A,) int64, their rows among the N, ascending
    archive_pairs.npy  (A, P) uint8, their candidate features

manifest.json is written last; see `models.bundle.manifest`.
"""

from __future__ import annotations

import uuid
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.atomic_files import telling_full_disk
from app.domain.held_out import is_held_out
from app.domain.places.place_groups import place_groups
from app.domain.tiles import Tile
from app.errors import InvalidInput, NotFound
from app.ports import JobContext, VectorStore
from app.services.training.archive_sample import ArchiveSample
from app.services.training.npy_writer import NpyWriter
from app.services.training.stored_pixels import StoredPixels
from models.bundle.card import ModelCard
from models.bundle.files import LEARNED_FILE
from models.bundle.manifest import ARCHIVE

MAX_PAIRS = 2000
SMALLEST_PLACE, PLACES = 4, 24
"""A place with more than `SMALLEST_PLACE` tiles and more than one in `PLACES` of the labelled tiles is divided."""
SCANNED = 64
"""Tiles per read; small, so that searches do not wait long."""
PICTURED = 32


class TrainingFiles:
    """Writes the arrays of one index into a folder.

    card: of the index's model. pixels: reads its tiles.
    """

    def __init__(self, vectors: VectorStore, index: str, card: ModelCard, pixels: StoredPixels) -> None:
        self._vectors = vectors
        self._index = index
        self._card = card
        self._pixels = pixels

    def size(self, classes: int, *, features: bool) -> int:
        """Approximate number of bytes that `write` writes."""
        row = 4 * self._card.dimension + classes + 1 + (2 * self._card.feature_dimension if features else 0)
        picture = self._card.pair_dimension + int(np.prod(self._pixels.shape)) if self._has_pairs else 0
        stats = self._vectors.stats(self._index)
        return stats.size * row + min(stats.size, MAX_PAIRS) * picture + min(stats.size, ARCHIVE) * self._card.pair_dimension

    def write(self, folder: Path, classes: tuple[str, ...], context: JobContext, *, features: bool) -> dict[str, int]:
        """Write all arrays; return the numbers of `tiles`, of `labelled` tiles, and of `held_out` ones among the labelled.

        Memory use is a few bytes per tile, the records of labelled tiles, and one read.

        Raises:
            Cancelled, Interrupted: the job has to stop. NotFound: the index does not exist. OutOfSpace: the disk is full.
            InvalidInput: tiles have no feature.
        """
        labels = _Labels(classes)
        sample = ArchiveSample(self._vectors.stats(self._index).size)
        with telling_full_disk(folder):
            self._scan(folder, labels, sample, context, features=features)
            labels.write(folder)
            if self._has_pairs:
                self._write_pairs(folder, labels, context)
                sample.write(folder, self._vectors, self._index, self._card.pair_dimension, context)
        return labels.counts

    @property
    def _has_pairs(self) -> bool:
        return self._card.matcher is not None and self._card.pair_dimension > 0

    def _scan(self, folder: Path, labels: _Labels, sample: ArchiveSample, context: JobContext, *, features: bool) -> None:
        total = max(1, self._vectors.stats(self._index).size)
        with ExitStack() as stack:
            made = stack.enter_context(NpyWriter(folder / "embeddings.npy", np.float32, (self._card.dimension,)))
            deep = None
            if features:
                deep = stack.enter_context(NpyWriter(folder / "features.npy", np.float16, (self._card.feature_dimension,)))
            after: str | None = None
            while True:
                context.check()
                page = self._vectors.scroll_vectors(self._index, limit=SCANNED, after=after, features=features)
                sample.add(made.rows, page.tiles)
                made.append(page.embeddings.embedding)
                if deep is not None and page.tiles:
                    if page.embeddings.feature is None:
                        raise InvalidInput("some tiles have no feature, because an older version indexed them; re-index first")
                    deep.append(page.embeddings.feature)
                labels.add(page.tiles)
                context.progress(80 * made.rows / total, f"reading {made.rows} of {total} tiles")
                after = page.after
                if after is None:
                    return

    def _write_pairs(self, folder: Path, labels: _Labels, context: JobContext) -> None:
        chosen = labels.choose(MAX_PAIRS)
        with (
            NpyWriter(folder / "rows.npy", np.int64, ()) as rows,
            NpyWriter(folder / "pairs.npy", np.uint8, (self._card.pair_dimension,)) as pairs,
            NpyWriter(folder / "pixels.npy", np.uint8, self._pixels.shape) as pixels,
        ):
            for start in range(0, len(chosen), PICTURED):
                context.check()
                for row, pair, picture in self._pictures(chosen[start : start + PICTURED], labels):
                    rows.append(np.array([row], np.int64))
                    pairs.append(pair[None])
                    pixels.append(picture[None])
                context.progress(80 + 20 * start / len(chosen), f"reading {start} of {len(chosen)} labelled images")

    def _pictures(self, rows: list[int], labels: _Labels) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.uint8]]]:
        """Row, candidate features and pixels of the tiles that still exist and can be read."""
        row_of = {labels.tile_id(row): row for row in rows}
        tiles = self._vectors.retrieve(self._index, list(row_of))
        try:
            pairs = self._vectors.retrieve_vectors(self._index, list(tiles)).pair
        except NotFound:  # a tile was deleted between the two reads: leave out this batch
            return
        if pairs is None:
            return
        pair_of = dict(zip(tiles, pairs, strict=True))
        for tile, picture in self._pixels.read_all(tiles.values()):
            yield row_of[tile.id], pair_of[tile.id], picture


class _Labels:
    """The classes of all tiles, in a few bytes per tile, and where the labelled tiles are."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self._number = {name: number for number, name in enumerate(classes)}
        self._held_out = array("B")
        self._rows, self._columns = array("q"), array("q")
        self._labelled, self._ids = array("q"), bytearray()
        self._tiles: list[Tile] = []

    def add(self, tiles: list[Tile]) -> None:
        """Add the next tiles."""
        for tile in tiles:
            row = len(self._held_out)
            self._held_out.append(is_held_out(tile.id))
            numbers = [self._number[label] for label in tile.labels if label in self._number]
            self._rows.extend([row] * len(numbers))
            self._columns.extend(numbers)
            if numbers:
                self._labelled.append(row)
                self._ids += uuid.UUID(tile.id).bytes
                self._tiles.append(replace(tile, labels=(), properties={}, stretch=None, sent=None))

    def tile_id(self, row: int) -> str:
        """Id of the labelled tile of a row."""
        place = 16 * bisect_left(self._labelled, row)
        return str(uuid.UUID(bytes=bytes(self._ids[place : place + 16])))

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of `tiles`, `labelled` tiles, and `held_out` ones among the labelled."""
        held_out = sum(self._held_out[row] for row in self._labelled)
        return {"tiles": len(self._held_out), "labelled": len(self._labelled), "held_out": held_out}

    def write(self, folder: Path) -> None:
        """Write labels.npy, held_out.npy, places.npy and learned_tiles.npy."""
        rows, columns = np.array(self._rows, np.int64), np.array(self._columns, np.int64)
        with NpyWriter(folder / "labels.npy", np.bool_, (len(self._number),)) as writer:
            for start in range(0, len(self._held_out), SCANNED):
                part = np.zeros((min(SCANNED, len(self._held_out) - start), len(self._number)), np.bool_)
                first, last = np.searchsorted(rows, (start, start + len(part)))
                part[rows[first:last] - start, columns[first:last]] = True
                writer.append(part)
        with NpyWriter(folder / "held_out.npy", np.bool_, ()) as writer:
            writer.append(np.array(self._held_out, np.bool_))
        places = np.full(len(self._held_out), -1, np.int64)
        places[np.array(self._labelled, np.int64)] = place_groups(
            self._tiles, largest=max(SMALLEST_PLACE, len(self._tiles) // PLACES)
        )
        with NpyWriter(folder / "places.npy", np.int64, ()) as writer:
            writer.append(places)
        is_learned = ~np.array(self._held_out, np.bool_)[np.array(self._labelled, np.int64)]
        with NpyWriter(folder / LEARNED_FILE, np.uint8, (16,)) as writer:
            writer.append(np.frombuffer(bytes(self._ids), np.uint8).reshape(-1, 16)[is_learned])

    def choose(self, most: int) -> list[int]:
        """Choose at most `most` labelled rows, ascending: the first of each class, then the second, and so on."""
        rows, columns = np.array(self._rows, np.int64), np.array(self._columns, np.int64)
        order = np.argsort(columns, kind="stable")
        starts = np.searchsorted(columns[order], columns[order])
        rank = np.empty(len(rows), np.int64)
        rank[order] = np.arange(len(rows)) - starts
        taken = dict.fromkeys(rows[np.argsort(rank, kind="stable")].tolist())
        return sorted(list(taken)[:most])
