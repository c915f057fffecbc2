"""Reads one file: hash it, skip tiles of pictures that are indexed already, cut the others, store their images, emit events."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from app.domain.collections import Collection
from app.domain.naming.ids import tile_id
from app.domain.queries.search import TileFilter
from app.domain.tiles import VANISHED_AT, Tile, Window
from app.errors import DyadError, NotFound, Unavailable, UnreadableImage
from app.imagery.sources.file_kinds import FileKind, sniff
from app.imagery.sources.sidecars import place_files
from app.imagery.tiling.tiler import CutSpec, CutTile, count_windows, cut, read_tile
from app.ports import Blobs, VectorStore
from app.ports.stopping import check_stop
from app.services.catalogue.images import image_keys, images_prefix
from app.services.ingest.embeddings.embedding_run import EmbeddingRun
from app.services.ingest.events import Event, FileDone, MarkRemoved, Progress, ReadTile, RecordUpdate, Unchanged
from app.services.ingest.incoming.sources import Found, Note, SourceFile
from app.services.ingest.look_up_groups import look_up_groups
from app.services.ingest.tile_records import GEOMETRY, SentMetadata, Version
from models.bundle.card import ModelCard

REPORT_EVERY = 64
PICTURE_DIGITS = 32
"""Length of `picture_hash`; short, because every record has one."""
HASH_BYTES = 1 << 20


class FileReader:
    """Reads the files of one collection. Thread-safe."""

    def __init__(
        self,
        collection: Collection,
        card: ModelCard,
        spec: CutSpec,
        index: str,
        vectors: VectorStore,
        blobs: Blobs,
        threads: int = 1,
    ) -> None:
        """card: of the model of the index. index: into which the tiles are written. threads: that cut one scene."""
        self._collection = collection
        self._card = card
        self._spec = spec
        self._index = index
        self._vectors = vectors
        self._blobs = blobs
        self._threads = threads

    def read(self, source: SourceFile, emit: Callable[[Event], None]) -> None:
        """Emit the file's tiles, then `FileDone`. A file with `unchanged_tiles` is not opened.

        Raises:
            DyadError: the file cannot be indexed; the message says why.
        """
        if source.unchanged_tiles is not None:
            emit(Unchanged([], others=source.unchanged_tiles))
            emit(FileDone(source, source.weight))
            return
        if source.marked_tile is not None:
            emit(MarkRemoved(source.marked_tile))
        try:
            if sniff(source.path) is FileKind.PARQUET:
                self._embedding_run(source, emit).run()
            else:
                _FileRun(self, source, emit).run()
        except OSError as error:
            raise UnreadableImage(f"cannot be read: {error.strerror or error}") from None

    def _embedding_run(self, source: SourceFile, emit: Callable[[Event], None]) -> EmbeddingRun:
        def find(ids: Sequence[str]) -> dict[str, Tile]:
            return self._vectors.retrieve(self._index, ids)

        return EmbeddingRun(source, self.version(source), self._card, self._collection.id, find, emit)

    def version(self, source: SourceFile) -> Version:
        """Digests of what determines the file's tiles: its bytes, the collection's settings, and for `content` its metadata."""
        settings = self._collection.model_dump(mode="json", include={"tile_size", "stride", "bands", "scaling"})
        with source.path.open("rb") as file:
            content = _sha256(file)
        content += b"".join(beside.read_bytes() for beside in place_files(source.path))
        parts = [settings, source.metadata.model_dump(mode="json")], [settings]
        whole, picture = (hashlib.sha256(json.dumps(part, sort_keys=True).encode() + content).hexdigest() for part in parts)
        return Version(whole, picture[:PICTURE_DIGITS])

    def cut(
        self, source: SourceFile, skip: Callable[[Window | None], bool], note: Callable[[str], None], *, is_whole: bool
    ) -> Iterator[CutTile | None]:
        """The file's tiles except those for which `skip` is true; None for each tile that is mostly nodata.

        note: called with each remark about the file. is_whole: do not cut the file into windows. `skip` is called in the order
        of the tiles, but may be ahead of them.
        """
        return cut(source.path, source.file_name, self._spec, is_whole, skip, note, self._threads)

    def windows(self, source: SourceFile) -> int:
        """Approximate number of tiles of the file."""
        return count_windows(source.path, self._spec)

    def look_up(self, sources: Iterable[Found]) -> Iterator[Found]:
        """The same files with `is_known` set; looked up in groups, because each query of a remote server takes time."""
        for group in look_up_groups(sources):
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

    def is_stored(self, tile: Tile, image: bytes | Path) -> bool:
        """Whether the stored image of a tile has exactly these bytes."""
        try:
            if self._blobs.size(tile.image) != (len(image) if isinstance(image, bytes) else image.stat().st_size):
                return False
            return self._blobs.get(tile.image) == (image if isinstance(image, bytes) else image.read_bytes())
        except NotFound:
            return False

    def shows_same(self, tile: Tile, piece: CutTile) -> bool:
        """Whether the stored image of a tile, scaled like a newly cut one, has the same pixels."""
        try:
            pixels = read_tile(self._blobs.get(tile.image), self._spec, piece.stretch, window=piece.window)
        except Unavailable:
            raise
        except DyadError:  # the image is missing, or cannot be read with these settings
            return False
        return np.array_equal(pixels, piece.pixels)

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


class _FileRun:
    """One pass over one file."""

    def __init__(self, reader: FileReader, source: SourceFile, emit: Callable[[Event], None]) -> None:
        self._reader = reader
        self._source = source
        self._emit = emit
        self._version = reader.version(source)
        self._sent = SentMetadata.of(source, self._version)
        self._known = source.is_known
        self._whole = reader.find(reader.id(source, None)) if self._known else None
        self._is_whole = False
        self._windows = reader.windows(source)
        self._seen = 0
        self._reported = 0.0
        self._unchanged = Unchanged([])
        self._before: deque[Tile | None] = deque()
        self._tile: str | None = None
        self._tiles = 0

    def run(self) -> None:
        skipped = 0
        for piece in self._reader.cut(self._source, self._skip, self._note, is_whole=self._has_place()):
            before = self._before.popleft()
            if piece is None:
                skipped += 1
            else:
                self._emit(self._to_event(piece, before))
        self._report(1.0)
        left = self._source.weight - self._reported
        contains = partial(self._version.contains, is_whole=self._is_whole)
        stale = contains if self._known else None
        self._emit(FileDone(self._source, left, skipped, stale, self._tile, self._tiles))

    def _has_place(self) -> bool:
        """Whether metadata gives the place of the whole file, now or when the same file was indexed before."""
        if not self._source.place_if_missing and GEOMETRY in self._sent.values:
            return True
        return self._whole is not None and self._is_of_same_file(self._whole)

    def _is_of_same_file(self, tile: Tile) -> bool:
        """Whether an indexed tile was cut from the same bytes. The stored image of a whole file is the file itself."""
        if self._version.picture == tile.picture_hash or self._version.content == tile.content_hash:
            return True
        is_old = tile.picture_hash is None and tile.window is None
        return is_old and self._reader.is_stored(tile, self._source.path)

    def _skip(self, window: Window | None) -> bool:
        """Whether the tile is indexed from the same bytes, so that at most its record changes; else its earlier version, or
        None, waits in `_before` until the tile is cut.
        """
        self._count()
        self._is_whole = window is None
        if window is None:
            before = self._whole
        else:
            before = self._reader.find(self._reader.id(self._source, window)) if self._known else None
        if before is None or not self._is_of_same_file(before):
            self._before.append(before)
            return False
        self._note_tile(before.id)
        if self._version.content != before.content_hash and self._sent.changes(before):
            self._emit(RecordUpdate(before.id, before.image, self._sent.applied))
            return True
        self._unchanged.ids.append(before.id)
        if VANISHED_AT in before.properties:
            self._unchanged.returned.append(before.id)
        return True

    def _note_tile(self, item_id: str) -> None:
        self._tile = item_id
        self._tiles += 1

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

    def _to_event(self, piece: CutTile, before: Tile | None) -> ReadTile | RecordUpdate:
        tile = self._record(piece)
        self._note_tile(tile.id)
        if before is None:
            return ReadTile(self._stored(tile, piece), piece.pixels)
        is_stored = self._reader.is_stored(before, piece.image)
        if is_stored and before.stretch == piece.stretch:
            tile = replace(tile, image=before.image, preview=before.preview, indexed_at=before.indexed_at)
            return RecordUpdate(before.id, before.image, partial(self._sent.applied_to_cut, tile))
        stored = self._stored(tile, piece)
        update = None
        if is_stored or self._reader.shows_same(before, piece):
            tile = replace(tile, image=stored.image, preview=stored.preview)
            update = RecordUpdate(before.id, before.image, partial(self._sent.applied_to_cut, tile))
        replaces = tuple(set(image_keys(before)) - set(image_keys(stored)))
        return ReadTile(stored, piece.pixels, replaces, is_change=True, update=update)

    def _note(self, text: str) -> None:
        self._emit(Note(self._source.name, text))

    def _record(self, piece: CutTile) -> Tile:
        """The record of a tile without its image and metadata."""
        source = self._source
        return Tile(
            id=self._reader.id(source, piece.window),
            source=source.name,
            file_name=source.file_name,
            content_hash=self._version.content,
            image="",
            indexed_at=datetime.now(UTC),
            window=piece.window,
            geometry=piece.geometry,
            datetime=piece.datetime,
            gsd=piece.gsd or source.metadata.gsd,
            properties=piece.properties,
            stretch=piece.stretch,
            grid=piece.grid,
            sent={},
        )

    def _stored(self, tile: Tile, piece: CutTile) -> Tile:
        """Store the image of a tile; return its complete record."""
        image, preview = self._reader.store(tile.id, self._version.content, piece)
        return replace(self._sent.applied(tile), image=image, preview=preview)
