"""Files to points: readers cut and decode in threads, one writer embeds in batches and stores. Memory is bounded by the queue.

The order that keeps a crash harmless: a tile's image is stored before its point, its point is flushed before the job reports
it, and what it replaced is deleted last.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from app.domain.search import TileFilter
from app.domain.tiles import VANISHED_AT, Tile
from app.errors import Conflict, DyadError, Unavailable
from app.ports import Blobs, Inference, VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.images import image_keys
from app.services.ingest.sources import Rejection, SourceFile

BATCH = 32
FLUSH_EVERY = 1024
QUEUED_TILES = 4 * BATCH
WAIT_SECONDS = 0.2


@dataclass(slots=True)
class ReadTile:
    """A cut tile with its record; the image is stored already.

    replaces: blob keys to delete when the point is durable. is_change: an earlier version of the tile is indexed.
    """

    tile: Tile
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
    replaces: tuple[str, ...] = ()
    is_change: bool = False


@dataclass(slots=True)
class Unchanged:
    """Tiles that are indexed already, as they are now. returned: those of them that are marked as vanished."""

    ids: list[str]
    returned: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Progress:
    """A part of a file, of 1, has been read."""

    share: float


@dataclass(slots=True)
class FileDone:
    """A file has been read to its end.

    share: what is left of its weight. replaces: the content hash that its tiles have now, where an earlier version was
    indexed; those of its tiles that have another are stale.
    """

    source: SourceFile | Rejection
    share: float
    skipped_nodata: int = 0
    replaces: str | None = None


Event = ReadTile | Unchanged | Progress | FileDone
ReadFile = Callable[[SourceFile, Callable[[Event], None]], None]
"""Reads one file and emits its tiles, then one `FileDone`; raises a `DyadError` if the file cannot be read."""


class Readers:
    """Threads that read files and emit events into one bounded queue, in any order of files, each file's in its own."""

    def __init__(self, read: ReadFile, threads: int) -> None:
        self._read = read
        self._threads = threads
        self._events: queue.Queue[Event | BaseException | None] = queue.Queue(QUEUED_TILES)
        self._stop = threading.Event()

    def events(self, sources: Iterator[SourceFile | Rejection]) -> Generator[Event | None]:
        """Everything the files emit; None whenever nothing came for `WAIT_SECONDS`, so that the caller can look around.

        Raises what a reader raised that no file can be blamed for.
        """
        feeder = threading.Thread(target=self._feed, args=(sources,), name="dyad-feed")
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

    def _feed(self, sources: Iterator[SourceFile | Rejection]) -> None:
        slots = threading.Semaphore(2 * self._threads)
        try:
            with ThreadPoolExecutor(self._threads, "dyad-read") as pool:
                for source in sources:
                    slots.acquire()
                    if self._stop.is_set():
                        break
                    future = pool.submit(self._read_one, source)
                    future.add_done_callback(lambda _: slots.release())
                    future.add_done_callback(self._report)
            self._emit(None)
        except Exception as error:  # noqa: BLE001 - handed to the consumer, who raises it
            self._emit(error)

    def _read_one(self, source: SourceFile | Rejection) -> None:
        if self._stop.is_set():
            return
        if isinstance(source, Rejection):
            self._emit(FileDone(source, source.weight))
            return
        try:
            self._read(source, self._emit)
        except Unavailable:
            raise  # a full disk or a store that is down is no fault of the file
        except DyadError as error:
            self._emit(FileDone(Rejection(source.name, str(error), source.weight), source.weight))
        finally:
            if source.temporary:
                source.path.unlink(missing_ok=True)

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
    """The consumer has gone."""


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
        self._written: list[str] = []
        self._replaced: list[str] = []

    def add(self, tile: ReadTile) -> None:
        """Take one tile; embeds and stores when a batch is full."""
        self._batch.append(tile)
        if len(self._batch) >= BATCH:
            self._write()

    @property
    def waiting(self) -> int:
        """Tiles taken that are not reported as durable yet."""
        return len(self._batch) + len(self._written)

    @property
    def is_due(self) -> bool:
        """Whether enough is written to be worth a flush."""
        return len(self._written) >= FLUSH_EVERY

    def flush(self) -> list[str]:
        """Embed what waits, make it durable, delete what it replaced; the ids that are durable since the last call."""
        self._write()
        if self._written:
            with self._writing() as index:
                self._vectors.flush(index)
        done, self._written = self._written, []
        self._blobs.delete(self._replaced)
        self._replaced = []
        return done

    def remove_stale(self, source: str, content_hash: str) -> None:
        """Delete the tiles of a source that its present version does not have any more."""
        after: str | None = None
        while True:
            with self._writing() as index:
                page = self._vectors.scroll(index, limit=1000, filter=TileFilter(sources=(source,)), after=after)
                stale = [tile for tile in page.tiles if tile.content_hash != content_hash]
                self._vectors.delete(index, [tile.id for tile in stale])
            self._blobs.delete([key for tile in stale for key in image_keys(tile)])
            after = page.after
            if after is None:
                return

    def unmark(self, ids: list[str]) -> None:
        """Take the mark off tiles that had vanished and are there again."""
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
            self._vectors.upsert(index, [item.tile for item in batch], embeddings)
        self._written += [item.tile.id for item in batch]
        self._replaced += [key for item in batch for key in item.replaces]

    @contextmanager
    def _writing(self) -> Iterator[str]:
        """The live index, which must be of the model that the tiles are embedded with."""
        with self._collections.writing(self._collection) as live:
            if live.model != self._model.card.id:
                raise Conflict(
                    f"collection {self._collection!r} was switched from model {self._model.card.id!r} to {live.model!r} "
                    "meanwhile; index the files again"
                )
            yield live.index


def _without_mark(tile: Tile) -> Tile:
    return replace(tile, properties={key: value for key, value in tile.properties.items() if key != VANISHED_AT})
