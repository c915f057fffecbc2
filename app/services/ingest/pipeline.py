"""Files to points: threads read and decode, one writer embeds in batches and stores. The bounded queue limits memory.

The order makes a crash harmless: a tile's image is stored before its point, the point is flushed before the job reports it, and
replaced images are deleted last.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field, replace

import numpy as np

from app.domain.search import TileFilter
from app.domain.tiles import VANISHED_AT, Tile
from app.errors import Conflict, DyadError, Unavailable
from app.ports import Blobs, Inference, VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.images import image_keys
from app.services.ingest.sources import Found, Note, Rejection, SourceFile

BATCH = 32
UPDATES = 100
"""Records that are changed at once, under the write lock."""
FLUSH_EVERY = 1024
QUEUED_TILES = 4 * BATCH
WAIT_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class RecordUpdate:
    """New metadata of an indexed tile whose picture is unchanged, so that its vectors stay.

    id: of the tile. image: blob key of the version that was compared. apply: the new record for the current one, which is read
    under the write lock, so that edits made during the ingest stay.
    """

    id: str
    image: str
    apply: Callable[[Tile], Tile]

    def record(self, current: Mapping[str, Tile]) -> Tile | None:
        """The new record; None if the tile was deleted or its picture replaced. current: records by id."""
        tile = current.get(self.id)
        return None if tile is None or tile.image != self.image else self.apply(tile)


@dataclass(slots=True)
class ReadTile:
    """A cut tile with its record; its image is stored already.

    pixels: (S, S, B) uint8, for the model. replaces: blob keys to delete when the point is durable. is_change: whether an
    earlier version of the tile is indexed. update: if that version has the same picture, makes the record that is written
    instead of `tile`.
    """

    tile: Tile
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
    replaces: tuple[str, ...] = ()
    is_change: bool = False
    update: RecordUpdate | None = None


@dataclass(slots=True)
class Unchanged:
    """Ids of tiles that are indexed unchanged. returned: those of them that are marked as vanished."""

    ids: list[str]
    returned: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Progress:
    """A part of a file has been read. share: of the file's weight."""

    share: float


@dataclass(slots=True)
class FileDone:
    """A file has been read to its end.

    share: rest of the file's weight. contains: whether a tile belongs to this version of the file, if an earlier version was
    indexed, else None; other tiles of the file are stale.
    """

    source: SourceFile | Rejection
    share: float
    skipped_nodata: int = 0
    contains: Callable[[Tile], bool] | None = None


Event = ReadTile | RecordUpdate | Unchanged | Progress | FileDone | Note
ReadFile = Callable[[SourceFile, Callable[[Event], None]], None]
"""Reads one file and emits its tiles, then one `FileDone`; raises a `DyadError` if the file cannot be read."""


class Readers:
    """Threads that read files and emit events into one bounded queue. The events of one file are in order, files are not."""

    def __init__(self, read: ReadFile, threads: int) -> None:
        self._read = read
        self._threads = threads
        self._events: queue.Queue[Event | BaseException | None] = queue.Queue(QUEUED_TILES)
        self._stop = threading.Event()

    def events(self, sources: Iterator[Found]) -> Generator[Event | None]:
        """All events of the files; None after each `WAIT_SECONDS` without an event, so that the caller can do other work.

        Raises:
            Unavailable: a store does not answer, or the disk is full. Also any other error that is not the fault of a file.
        """
        context = copy_context()  # the stop check of the job
        feeder = threading.Thread(target=context.run, args=(self._feed, sources), name="dyad-feed")
        feeder.start()
        try:
            while True:
                try:
                    event = self._events.get(timeout=WAIT_SECONDS)
                except queue.Empty:
                    yield None
                    continue
                if event is None:
                    return
                if isinstance(event, BaseException):
                    raise event
                yield event
        finally:
            self._stop.set()
            feeder.join()

    def _feed(self, sources: Iterator[Found]) -> None:
        slots = threading.Semaphore(2 * self._threads)
        try:
            with ThreadPoolExecutor(self._threads, "dyad-read") as pool:
                for source in sources:
                    slots.acquire()
                    if self._stop.is_set():
                        break
                    future = pool.submit(copy_context().run, self._read_one, source)
                    future.add_done_callback(lambda _: slots.release())
                    future.add_done_callback(self._report)
            self._emit(None)
        except Exception as error:  # noqa: BLE001 - passed to the consumer, which raises it
            self._emit(error)

    def _read_one(self, source: Found) -> None:
        if self._stop.is_set():
            return
        if isinstance(source, Note):
            self._emit(source)
            return
        if isinstance(source, Rejection):
            self._emit(FileDone(source, source.weight))
            return
        try:
            self._read(source, self._emit)
        except Unavailable:
            raise  # a full disk or an unavailable store, not a fault of the file
        except DyadError as error:
            self._emit(FileDone(Rejection(source.name, str(error), source.weight), source.weight))
        finally:
            if source.temporary:
                for path in (source.path, *source.sidecars):
                    path.unlink(missing_ok=True)

    def _report(self, future: Future[None]) -> None:
        error = future.exception()
        if error is not None and not isinstance(error, _Stopped):
            self._emit(error)

    def _emit(self, event: Event | BaseException | None) -> None:
        while not self._stop.is_set():
            try:
                self._events.put(event, timeout=WAIT_SECONDS)
            except queue.Full:
                continue
            return
        if isinstance(event, Event):
            raise _Stopped


class _Stopped(Exception):
    """The consumer has stopped."""


class Writer:
    """Embeds tiles in batches and stores their points in the live index of a collection."""

    def __init__(
        self, collection_id: str, collections: CollectionService, vectors: VectorStore, blobs: Blobs, model: Inference
    ) -> None:
        self._collection = collection_id
        self._collections = collections
        self._vectors = vectors
        self._blobs = blobs
        self._model = model
        self._batch: list[ReadTile] = []
        self._updates: list[RecordUpdate] = []
        self._written: list[str] = []
        self._replaced: list[str] = []

    def add(self, tile: ReadTile) -> None:
        """Add one tile; embed and store when a batch is full."""
        self._batch.append(tile)
        if len(self._batch) >= BATCH:
            self._write()

    def update(self, update: RecordUpdate) -> None:
        """Add one change of a record; store when a batch is full."""
        self._updates.append(update)
        if len(self._updates) >= UPDATES:
            self._write_updates()

    @property
    def waiting(self) -> int:
        """Number of added tiles that are not reported as durable yet."""
        return len(self._batch) + len(self._updates) + len(self._written)

    @property
    def is_due(self) -> bool:
        """Whether enough tiles are written for a flush."""
        return len(self._written) >= FLUSH_EVERY

    def flush(self) -> list[str]:
        """Embed waiting tiles, flush, and delete replaced images; return the ids that became durable since the last call."""
        self._write()
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

    def _write(self) -> None:
        if not self._batch:
            return
        batch, self._batch = self._batch, []
        embeddings = self._model.embed(np.stack([item.pixels for item in batch]))
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
