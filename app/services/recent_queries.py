"""The last queries of each collection, kept so that a new index can be tried on what people really ask for.

A search only appends to a list in memory. A thread of its own writes the lists behind, one archive of arrays a collection, so
that a restart keeps them.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import DyadError, NotFound
from app.ports import Blobs

log = logging.getLogger(__name__)

PREFIX = "queries/"
WRITE_SECONDS = 30.0
MAX_BYTES = 16 << 20
"""Of the uploaded images of one collection."""


@dataclass(frozen=True, slots=True, eq=False)
class RecentQuery:
    """One search. positives, negatives: tile ids. pixels: (S, S, B) uint8, the uploaded image as the model saw it, or None."""

    positives: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    pixels: NDArray[np.uint8] | None = None

    @property
    def key(self) -> bytes:
        """Equal for equal queries."""
        digest = hashlib.blake2b(json.dumps([self.positives, self.negatives]).encode(), digest_size=16)
        digest.update(b"" if self.pixels is None else np.ascontiguousarray(self.pixels).data)
        return digest.digest()

    @property
    def size(self) -> int:
        """Bytes of its image."""
        return 0 if self.pixels is None else self.pixels.nbytes


_Queries = OrderedDict[bytes, RecentQuery]


class RecentQueries:
    """The last `limit` different queries a collection; none is kept where that is 0. Thread-safe."""

    def __init__(self, blobs: Blobs, limit: int) -> None:
        self._blobs = blobs
        self._limit = limit
        self._lock = threading.Lock()
        self._queries: dict[str, _Queries] = {}
        self._loaded: set[str] = set()
        self._changed: set[str] = set()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write behind."""
        if self._limit and self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="dyad-queries", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Write what is left."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._write_all()

    def note(self, collection_id: str, query: RecentQuery) -> None:
        """Remember a query as the latest."""
        if not self._limit:
            return
        key = query.key
        with self._lock:
            known = self._queries.setdefault(collection_id, OrderedDict())
            known[key] = query
            known.move_to_end(key)
            self._trim(known)
            self._changed.add(collection_id)

    def of(self, collection_id: str) -> list[RecentQuery]:
        """The queries of a collection, the latest first."""
        self._load(collection_id)
        with self._lock:
            return list(reversed(self._queries.get(collection_id, {}).values()))

    def forget(self, collection_id: str) -> None:
        """Remove all of a collection's."""
        with self._lock:
            self._queries.pop(collection_id, None)
            self._changed.discard(collection_id)
        self._blobs.delete([_key(collection_id)])

    def _trim(self, known: _Queries) -> None:
        size = sum(query.size for query in known.values())
        while len(known) > self._limit or size > MAX_BYTES:
            size -= known.popitem(last=False)[1].size

    def _load(self, collection_id: str) -> None:
        """Put what an earlier process wrote behind what this one has noted."""
        if collection_id in self._loaded:
            return
        try:
            earlier = _unpacked(self._blobs.get(_key(collection_id)))
        except NotFound:
            earlier = []
        with self._lock:
            if collection_id in self._loaded:
                return
            self._loaded.add(collection_id)
            merged: _Queries = OrderedDict((query.key, query) for query in earlier)
            for key, query in self._queries.get(collection_id, {}).items():
                merged[key] = query
                merged.move_to_end(key)
            self._trim(merged)
            if merged:
                self._queries[collection_id] = merged

    def _loop(self) -> None:
        while not self._stopping.wait(WRITE_SECONDS):
            self._write_all()

    def _write_all(self) -> None:
        for collection_id in list(self._changed):
            try:
                self._load(collection_id)
                with self._lock:
                    self._changed.discard(collection_id)
                    queries = list(self._queries.get(collection_id, {}).values())
                self._blobs.put(_key(collection_id), _packed(queries))
                if collection_id not in self._queries:  # forgotten meanwhile
                    self._blobs.delete([_key(collection_id)])
            except DyadError as error:
                log.warning("recent queries of %s are not kept: %s", collection_id, error)


def _key(collection_id: str) -> str:
    return f"{PREFIX}{collection_id}.npz"


def _packed(queries: Sequence[RecentQuery]) -> bytes:
    """The oldest first: `queries`, JSON of the ids, and an array `image-N` for each that has one."""
    ids = json.dumps([[query.positives, query.negatives] for query in queries])
    arrays = {f"image-{number}": query.pixels for number, query in enumerate(queries) if query.pixels is not None}
    file = io.BytesIO()
    np.savez(file, queries=np.frombuffer(ids.encode(), np.uint8), **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def _unpacked(data: bytes) -> list[RecentQuery]:
    """The inverse of `_packed`; none where it cannot be read."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            ids = json.loads(arrays["queries"].tobytes())
            images = {name: arrays[name] for name in arrays.files}
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        log.warning("recent queries cannot be read (%s); they are forgotten", error)
        return []
    return [RecentQuery(tuple(good), tuple(bad), images.get(f"image-{number}")) for number, (good, bad) in enumerate(ids)]
