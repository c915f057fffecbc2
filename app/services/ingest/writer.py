"""The writer of an ingest: embeds tiles in batches and stores their points. A batch is stored while the next one is embedded.

The order makes a crash harmless: a tile's image is stored before its point, the point is flushed before the job reports it, and
replaced images are deleted last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import replace
from typing import Self

import numpy as np

from app.domain.queries.search import TileFilter
from app.domain.tiles import VANISHED_AT, Embeddings, Tile
from app.errors import Conflict
from app.ports import Blobs, Inference, VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.images import image_keys
from app.services.ingest.events import ReadTile, RecordUpdate

BATCH = 32
UPDATES = 100
"""Records that are changed at once, under the write lock."""
FLUSH_EVERY = 1024


class Writer:
    """Embeds tiles in batches and stores their points in the live index of a collection; to be used in a `with` block."""

    def __init__(
        self, collection_id: str, collections: CollectionService, vectors: VectorStore, blobs: Blobs, model: Inference
    ) -> None:
        self._collection = collection_id
        self._collections = collections
        self._vectors = vectors
        self._blobs = blobs
        self._model = model
        self._batch: list[ReadTile] = []
        self._embedded: tuple[list[ReadTile], Future[Embeddings]] | None = None
        """The batch that is embedded now, or waits to be stored."""
        self._embedder = ThreadPoolExecutor(1, "dyad-embed")
        self._updates: list[RecordUpdate] = []
        self._written: list[str] = []
        self._replaced: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._embedder.shutdown()

    def add(self, tile: ReadTile) -> None:
        """Add one tile; when a batch is full, begin to embed it, and store the one before."""
        self._batch.append(tile)
        if len(self._batch) >= BATCH:
            self._embed()

    def add_vectors(self, tiles: Sequence[Tile], embeddings: Embeddings) -> None:
        """Store tiles whose embeddings were made elsewhere."""
        with self._writing() as index:
            self._vectors.upsert(index, tiles, embeddings)
        self._written += [tile.id for tile in tiles]

    def update(self, update: RecordUpdate) -> None:
        """Add one change of a record; store when a batch is full."""
        self._updates.append(update)
        if len(self._updates) >= UPDATES:
            self._write_updates()

    @property
    def waiting(self) -> int:
        """Number of added tiles that are not reported as durable yet."""
        embedded = 0 if self._embedded is None else len(self._embedded[0])
        return len(self._batch) + embedded + len(self._updates) + len(self._written)

    @property
    def is_due(self) -> bool:
        """Whether enough tiles are written for a flush."""
        return len(self._written) >= FLUSH_EVERY

    def flush(self) -> list[str]:
        """Embed waiting tiles, flush, and delete replaced images; return the ids that became durable since the last call."""
        self._embed()
        self._store()
        self._write_updates()
        if self._written:
            with self._writing() as index:
                self._vectors.flush(index)
        done, self._written = self._written, []
        self._blobs.delete(self._replaced)
        self._replaced = []
        return done

    def remove_stale(self, source: str, contains: Callable[[Tile], bool]) -> None:
        """Delete the tiles of a source that its current version does not contain."""
        after: str | None = None
        while True:
            with self._writing() as index:
                page = self._vectors.scroll(index, limit=1000, filter=TileFilter(sources=(source,)), after=after)
                stale = [tile for tile in page.tiles if not contains(tile)]
                self._vectors.delete(index, [tile.id for tile in stale])
            self._blobs.delete([key for tile in stale for key in image_keys(tile)])
            after = page.after
            if after is None:
                return

    def unmark(self, ids: list[str]) -> None:
        """Remove the property `vanished_at` from tiles whose file exists again."""
        with self._writing() as index:
            marked = [tile for tile in self._vectors.retrieve(index, ids).values() if VANISHED_AT in tile.properties]
            self._vectors.set_records(index, [_without_mark(tile) for tile in marked])
            self._vectors.flush(index)

    def set_marks(self, marks: Mapping[str, str | None]) -> None:
        """Set `Tile.mark` of tiles, by id; other ids are ignored."""
        with self._writing() as index:
            tiles = self._vectors.retrieve(index, list(marks)).values()
            changed = [replace(tile, mark=marks[tile.id]) for tile in tiles if tile.mark != marks[tile.id]]
            self._vectors.set_records(index, changed)

    def _embed(self) -> None:
        batch, self._batch = self._batch, []
        begun: tuple[list[ReadTile], Future[Embeddings]] | None = None
        if batch:
            pixels = np.stack([item.pixels for item in batch])
            begun = batch, self._embedder.submit(copy_context().run, self._model.embed, pixels)
        try:
            self._store()
        finally:
            self._embedded = begun

    def _store(self) -> None:
        if self._embedded is None:
            return
        (batch, future), self._embedded = self._embedded, None
        embeddings = future.result()
        with self._writing() as index:
            current = self._current(index, [item.update for item in batch if item.update is not None])
            records = [item.update.record(current) if item.update is not None else None for item in batch]
            tiles = [record or item.tile for record, item in zip(records, batch, strict=True)]
            self._vectors.upsert(index, tiles, embeddings)
        self._written += [item.tile.id for item in batch]
        self._replaced += [key for item in batch for key in item.replaces]

    def _write_updates(self) -> None:
        if not self._updates:
            return
        updates, self._updates = self._updates, []
        with self._writing() as index:
            current = self._current(index, updates)
            records = [record for update in updates if (record := update.record(current)) is not None]
            self._vectors.set_records(index, records)
        self._written += [tile.id for tile in records]

    def _current(self, index: str, updates: Sequence[RecordUpdate]) -> dict[str, Tile]:
        return self._vectors.retrieve(index, [update.id for update in updates]) if updates else {}

    @contextmanager
    def _writing(self) -> Iterator[str]:
        """The live index under its write lock. Raises `Conflict` if its model is not the one that embeds the tiles."""
        with self._collections.writing(self._collection) as live:
            if live.model != self._model.card.id:
                raise Conflict(
                    f"collection {self._collection!r} was switched from model {self._model.card.id!r} to {live.model!r} "
                    "during the ingest; index the files again"
                )
            yield live.index


def _without_mark(tile: Tile) -> Tile:
    return replace(tile, properties={key: value for key, value in tile.properties.items() if key != VANISHED_AT})
