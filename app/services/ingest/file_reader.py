"""Reads one file: hash it, skip tiles that are indexed already, cut the others, store their images, emit pipeline events."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import BinaryIO

from app.domain.collections import Collection
from app.domain.ids import tile_id
from app.domain.search import TileFilter
from app.domain.tiles import VANISHED_AT, Tile, Window
from app.errors import UnreadableImage
from app.imagery.tiling.tiler import CutSpec, CutTile, count_windows, cut
from app.ports import Blobs, VectorStore
from app.ports.stopping import check_stop
from app.services.catalogue.images import image_keys, images_prefix
from app.services.ingest.pipeline import Event, FileDone, Progress, ReadTile, Unchanged
from app.services.ingest.sources import Rejection, SourceFile

REPORT_EVERY = 64
HASH_BYTES = 1 << 20
LOOKED_UP = 64
LOOKED_UP_BYTES = 64 << 20
LOOKED_UP_SECONDS = 0.5


class FileReader:
    """Reads the files of one collection. Thread-safe."""

    def __init__(self, collection: Collection, spec: CutSpec, index: str, vectors: VectorStore, blobs: Blobs) -> None:
        self._collection = collection
        self._spec = spec
        self._index = index
        self._vectors = vectors
        self._blobs = blobs

    def read(self, source: SourceFile, emit: Callable[[Event], None]) -> None:
        """Emit the file's tiles, then `FileDone`.

        Raises:
            DyadError: the file cannot be indexed; the message says why.
        """
        try:
            _FileRun(self, source, emit).run()
        except OSError as error:
            raise UnreadableImage(f"cannot be read: {error.strerror or error}") from None

    def fingerprint(self, source: SourceFile) -> str:
        """Hex digest of everything that determines the file's tiles: its bytes, its metadata and the collection's settings."""
        settings = self._collection.model_dump(mode="json", include={"tile_size", "stride", "bands", "scaling"})
        digest = hashlib.sha256(json.dumps([settings, source.metadata.model_dump(mode="json")], sort_keys=True).encode())
        with source.path.open("rb") as file:
            digest.update(_sha256(file))
        return digest.hexdigest()

    def cut(self, source: SourceFile, skip: Callable[[Window | None], bool]) -> Iterator[CutTile | None]:
        """The file's tiles except those for which `skip` is true; None for each tile that is mostly nodata."""
        place = None if source.place_if_missing else source.metadata.footprint()
        return cut(source.path, source.file_name, self._spec, has_place=place is not None, skip=skip)

    def windows(self, source: SourceFile) -> int:
        """Approximate number of tiles of the file."""
        return count_windows(source.path, self._spec)

    def look_up(self, sources: Iterable[SourceFile | Rejection]) -> Iterator[SourceFile | Rejection]:
        """The same files with `is_known` set; looked up in groups, because each query of a remote server takes time."""
        for group in _groups(sources):
            names = tuple({source.name for source in group if isinstance(source, SourceFile)})
            filter = TileFilter(sources=names)
            found = self._vectors.facet(self._index, "source", filter=filter, limit=len(names)) if names else []
            known = {name for name, _ in found}
            for source in group:
                yield replace(source, is_known=source.name in known) if isinstance(source, SourceFile) else source

    def find(self, item_id: str) -> Tile | None:
        """A tile of the index, None if it does not exist."""
        return self._vectors.retrieve(self._index, [item_id]).get(item_id)

    def id(self, source: SourceFile, window: Window | None) -> str:
        """Id of a tile of the file. window: None for a whole image."""
        return tile_id(self._collection.id, source.name, "" if window is None else str(window))

    def store(self, item_id: str, content_hash: str, piece: CutTile) -> tuple[str, str | None]:
        """Store a tile's image and preview; return their keys, which contain the hash, so that the live version stays."""
        stem = f"{images_prefix(self._collection.id)}{item_id[:2]}/{item_id}-{content_hash[:12]}"
        image, preview = f"{stem}{piece.image_suffix}", f"{stem}-preview.jpg"
        self._blobs.put(image, piece.image)
        if piece.preview is None:
            return image, None
        self._blobs.put(preview, piece.preview)
        return image, preview


def _sha256(file: BinaryIO) -> bytes:
    """The hash of a file, which may take minutes; the job can be stopped between the pieces."""
    digest = hashlib.sha256()
    while piece := file.read(HASH_BYTES):
        check_stop()
        digest.update(piece)
    return digest.digest()


def _groups(sources: Iterable[SourceFile | Rejection]) -> Iterator[list[SourceFile | Rejection]]:
    """Group files for a look-up; limited in number, in bytes of temporary copies and in waiting time."""
    group: list[SourceFile | Rejection] = []
    size, begun = 0, time.monotonic()
    for source in sources:
        group.append(source)
        if isinstance(source, SourceFile) and source.temporary:
            size += source.path.stat().st_size
        if len(group) == LOOKED_UP or size > LOOKED_UP_BYTES or time.monotonic() > begun + LOOKED_UP_SECONDS:
            yield group
            group, size, begun = [], 0, time.monotonic()
    if group:
        yield group


class _FileRun:
    """One pass over one file."""

    def __init__(self, reader: FileReader, source: SourceFile, emit: Callable[[Event], None]) -> None:
        self._reader = reader
        self._source = source
        self._emit = emit
        self._hash = reader.fingerprint(source)
        self._known = source.is_known
        self._windows = reader.windows(source)
        self._seen = 0
        self._reported = 0.0
        self._unchanged = Unchanged([])
        self._before: Tile | None = None

    def run(self) -> None:
        skipped = 0
        for piece in self._reader.cut(self._source, self._skip):
            if piece is None:
                skipped += 1
                self._count()
            else:
                self._emit(self._to_event(piece))
        self._report(1.0)
        left = self._source.weight - self._reported
        self._emit(FileDone(self._source, left, skipped, self._hash if self._known else None))

    def _skip(self, window: Window | None) -> bool:
        """Whether the tile is indexed unchanged; else its earlier version is kept in `_before`."""
        self._count()
        self._before = self._reader.find(self._reader.id(self._source, window)) if self._known else None
        if self._before is None or self._before.content_hash != self._hash:
            return False
        self._unchanged.ids.append(self._before.id)
        if VANISHED_AT in self._before.properties:
            self._unchanged.returned.append(self._before.id)
        return True

    def _count(self) -> None:
        self._seen += 1
        if self._seen % REPORT_EVERY == 0:
            self._report(min(self._seen / max(self._windows, 1), 1.0))

    def _report(self, share: float) -> None:
        if self._unchanged.ids:
            self._emit(self._unchanged)
            self._unchanged = Unchanged([])
        if share < 1.0:
            part = self._source.weight * share - self._reported
            self._reported += part
            self._emit(Progress(part))

    def _to_event(self, piece: CutTile) -> ReadTile:
        source, metadata = self._source, self._source.metadata
        item_id = self._reader.id(source, piece.window)
        image, preview = self._reader.store(item_id, self._hash, piece)
        fallback = metadata.footprint() if piece.geometry is None or not source.place_if_missing else None
        tile = Tile(
            id=item_id,
            source=source.name,
            file_name=source.file_name,
            content_hash=self._hash,
            image=image,
            preview=preview,
            indexed_at=datetime.now(UTC),
            window=piece.window,
            geometry=fallback or piece.geometry,
            datetime=metadata.datetime or piece.datetime,
            gsd=piece.gsd,
            labels=metadata.labels,
            properties={**piece.properties, **metadata.properties},
            stretch=piece.stretch,
        )
        replaces = () if self._before is None else tuple(set(image_keys(self._before)) - set(image_keys(tile)))
        return ReadTile(tile, piece.pixels, replaces, self._before is not None)
