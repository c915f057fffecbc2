"""Threads that read and decode files. Their events go through a bounded queue, which limits memory."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context

from app.errors import DyadError, Unavailable
from app.services.ingest.events import Event, FileDone
from app.services.ingest.incoming.sources import Found, Note, Rejection, SourceFile
from app.services.ingest.writer import BATCH

QUEUED_TILES = 4 * BATCH
WAIT_SECONDS = 0.2

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
