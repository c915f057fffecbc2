"""Events of the reader threads: what they found in the files, for the writer and the counts of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from app.domain.tiles import Embeddings, Tile
from app.services.ingest.incoming.sources import Note, Rejection, SourceFile


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
class ReadVectors:
    """Tiles without images, with their embeddings. changed: of how many an earlier version is indexed."""

    tiles: tuple[Tile, ...]
    embeddings: Embeddings
    changed: int = 0


@dataclass(slots=True)
class Unchanged:
    """Ids of tiles that are indexed unchanged. returned: those of them that are marked as vanished. others: number of unchanged
    tiles of files that were not read.
    """

    ids: list[str]
    returned: list[str] = field(default_factory=list)
    others: int = 0


@dataclass(frozen=True, slots=True)
class MarkRemoved:
    """A file whose tile has a mark is about to change. id: of the tile."""

    id: str


@dataclass(slots=True)
class Progress:
    """A part of a file has been read. share: of the file's weight."""

    share: float


@dataclass(slots=True)
class FileDone:
    """A file has been read to its end.

    share: rest of the file's weight. contains: whether a tile belongs to this version of the file, if an earlier version was
    indexed, else None; other tiles of the file are stale. tile, tiles: id of one of its tiles, and their number.
    """

    source: SourceFile | Rejection
    share: float
    skipped_nodata: int = 0
    contains: Callable[[Tile], bool] | None = None
    tile: str | None = None
    tiles: int = 0


Event = MarkRemoved | ReadTile | ReadVectors | RecordUpdate | Unchanged | Progress | FileDone | Note
