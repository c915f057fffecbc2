"""The last queries of each collection, stored so that a new index can be compared with the old one on real queries.

A search only appends to a list in memory. A background thread writes new queries to one .npz archive per collection. Processes
that share the archives use a lock and merge their queries into the stored ones.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import DyadError, NotFound
from app.ports import Blobs, Locks

log = logging.getLogger(__name__)

PREFIX = "queries/"
WRITE_SECONDS = 30.0
MAX_BYTES = 16 << 20
"""Maximum total size of the uploaded images of one collection."""


@dataclass(frozen=True, slots=True, eq=False)
class RecentQuery:
    """One search. positives, negatives: tile ids. pixels: (S, S, B) uint8, the uploaded image as the model saw it, None
    without.
    """

    positives: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    pixels: NDArray[np.uint8] | None = None

    @property
    def key(self) -> bytes:
        """A digest that is equal for equal queries."""
        digest = hashlib.blake2b(json.dumps([self.positives, self.negatives]).encode(), digest_size=16)
        digest.update(b"" if self.pixels is None else np.ascontiguousarray(self.pixels).data)
        return digest.digest()

    @property
    def size(self) -> int:
        """Size of the image in bytes."""
        return 0 if self.pixels is None else self.pixels.nbytes


_Queries = OrderedDict[bytes, RecentQuery]


class RecentQueries:
    """The last `limit` different queries of each collection, of all processes; 0 disables it. Thread-safe."""

    def __init__(self, blobs: Blobs, limit: int, locks: Locks) -> None:
        self._blobs = blobs
        self._limit = limit
        self._locks = locks
        self._guard = threading.Lock()
        self._new: dict[str, _Queries] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread that writes queries."""
        if self._limit and self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="dyad-queries", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop the thread and write the remaining queries."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._write_all()

    def note(self, collection_id: str, query: RecentQuery) -> None:
        """Add a query as the latest one."""
        if not self._limit:
            return
        with self._guard:
            self._add(self._new.setdefault(collection_id, OrderedDict()), [query])

    def of(self, collection_id: str) -> list[RecentQuery]:
        """The queries of a collection, latest first."""
        known = self._stored(collection_id)
        with self._guard:
            self._add(known, self._new.get(collection_id, {}).values())
        return list(reversed(known.values()))

    def owners(self) -> list[str]:
        """Ids of the collections that have stored queries."""
        return [key.removeprefix(PREFIX).rsplit(".", 1)[0] for key in self._blobs.keys(PREFIX)]

    def delete(self, collection_id: str) -> None:
        """Delete all queries of a collection.

        Raises:
            Busy: other processes write them and do not release the lock. Unavailable: the store does not answer.
        """
        with self._locks.hold(_lock(collection_id)):
            with self._guard:
                self._new.pop(collection_id, None)
            self._blobs.delete([_key(collection_id)])

    def _add(self, known: _Queries, queries: Collection[RecentQuery]) -> None:
        """Append queries, and drop the oldest ones beyond the limits."""
        for query in queries:
            key = query.key
            known[key] = query
            known.move_to_end(key)
        while len(known) > self._limit:
            known.popitem(last=False)
        if any(query.size for query in queries):
            size = sum(query.size for query in known.values())
            while size > MAX_BYTES:
                size -= known.popitem(last=False)[1].size

    def _stored(self, collection_id: str) -> _Queries:
        """The queries that all processes have written, oldest first."""
        try:
            queries = _unpacked(self._blobs.get(_key(collection_id)))
        except NotFound:
            queries = []
        return OrderedDict((query.key, query) for query in queries)

    def _loop(self) -> None:
        while not self._stopping.wait(WRITE_SECONDS):
            self._write_all()

    def _write_all(self) -> None:
        for collection_id in list(self._new):
            try:
                self._write(collection_id)
            except DyadError as error:
                log.warning("recent queries of %s could not be written, and will be tried again: %s", collection_id, error)

    def _write(self, collection_id: str) -> None:
        """Append the new queries to the stored ones. If that fails they stay in memory."""
        with self._locks.hold(_lock(collection_id)):
            known = self._stored(collection_id)
            with self._guard:
                new = self._new.pop(collection_id, OrderedDict())
            if not new:
                return
            try:
                self._add(known, new.values())
                self._blobs.put(_key(collection_id), _packed(list(known.values())))
            except BaseException:
                with self._guard:
                    self._add(new, self._new.get(collection_id, {}).values())
                    self._new[collection_id] = new
                raise


def _lock(collection_id: str) -> str:
    return f"queries:{collection_id}"


def _key(collection_id: str) -> str:
    return f"{PREFIX}{collection_id}.npz"


def _packed(queries: Sequence[RecentQuery]) -> bytes:
    """The .npz archive of queries, oldest first: `queries`, JSON of the ids, and an array `image-N` per uploaded image."""
    ids = json.dumps([[query.positives, query.negatives] for query in queries])
    arrays = {f"image-{number}": query.pixels for number, query in enumerate(queries) if query.pixels is not None}
    file = io.BytesIO()
    np.savez(file, queries=np.frombuffer(ids.encode(), np.uint8), **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def _unpacked(data: bytes) -> list[RecentQuery]:
    """The inverse of `_packed`; empty if the archive cannot be read."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            ids = json.loads(arrays["queries"].tobytes())
            images = {name: arrays[name] for name in arrays.files}
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        log.warning("recent queries cannot be read and are dropped: %s", error)
        return []
    return [RecentQuery(tuple(good), tuple(bad), images.get(f"image-{number}")) for number, (good, bad) in enumerate(ids)]
