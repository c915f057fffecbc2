"""Tiles whose source file is missing: found, and marked or removed with their images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from app.domain.scheduling.schedules import OnVanished
from app.domain.temporal import format_instant
from app.domain.tiles import VANISHED_AT, Tile
from app.ports import Blobs, JobContext, VectorStore
from app.services.catalogue.collections import CollectionService
from app.services.catalogue.images import image_keys
from app.services.schedules.source_listing import SourceListing

TILES_AT_ONCE = 200


@dataclass(slots=True)
class Missing:
    """Missing files of one source.

    there: its indexed names that still exist. names: names that are missing since the last run. new, marked: ids of the tiles
    of `names`, and of tiles that an earlier run marked as missing.
    """

    listing: SourceListing
    there: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    new: list[str] = field(default_factory=list)
    marked: list[str] = field(default_factory=list)

    @property
    def known(self) -> int:
        """How many indexed names existed at the last run."""
        return len(self.there) + len(self.names)

    @property
    def share_there(self) -> float:
        """Share of these that still exist, 0 to 1."""
        return len(self.there) / max(self.known, 1)


class MissingFiles:
    """Finds, marks and removes the tiles of missing files in the collection of one job."""

    def __init__(
        self, context: JobContext, collection_id: str, collections: CollectionService, vectors: VectorStore, blobs: Blobs
    ) -> None:
        self._context = context
        self._collection = collection_id
        self._collections = collections
        self._vectors = vectors
        self._blobs = blobs

    def find(self, listings: Sequence[SourceListing]) -> list[Missing]:
        """The missing files of each source; a tile belongs to the first source that would list its name."""
        found = [Missing(listing) for listing in listings]
        missing: dict[str, Missing] = {}
        for item, name in self._indexed():
            owner = next((each for each in found if name in each.there or each.listing.owns(name)), None)
            if owner is None or name in owner.there:
                continue
            if any(listing.is_there(name) for listing in listings):
                owner.there.add(name)
            else:
                missing[item] = owner
        for tile in self._tiles(list(missing)):
            owner = missing[tile.id]
            if VANISHED_AT in tile.properties:
                owner.marked.append(tile.id)
            else:
                owner.new.append(tile.id)
                owner.names.add(tile.source)
        return found

    def apply(self, missing: Missing, on_vanished: OnVanished) -> int:
        """Mark the newly missing tiles, or remove all missing ones; return how many were removed."""
        if on_vanished == "keep":
            for ids in _chunks(missing.new):
                self._mark(ids)
            return 0
        return sum(self._remove(ids) for ids in _chunks([*missing.marked, *missing.new]))

    def _indexed(self) -> Iterator[tuple[str, str]]:
        """Ids and sources of all tiles."""
        after: str | None = None
        while True:
            self._context.check()
            page = self._vectors.scroll_sources(
                self._collections.live(self._collection).index, limit=TILES_AT_ONCE, after=after
            )
            yield from page.sources
            after = page.after
            if after is None:
                return

    def _tiles(self, ids: Sequence[str]) -> Iterator[Tile]:
        for chunk in _chunks(ids):
            self._context.check()
            yield from self._vectors.retrieve(self._collections.live(self._collection).index, chunk).values()

    def _mark(self, ids: Sequence[str]) -> None:
        self._context.check()
        now = format_instant(datetime.now(UTC))
        with self._collections.writing(self._collection) as live:
            tiles = [tile for tile in self._vectors.retrieve(live.index, ids).values() if VANISHED_AT not in tile.properties]
            marked = [replace(tile, properties={**tile.properties, VANISHED_AT: now}, mark=None) for tile in tiles]
            self._vectors.set_records(live.index, marked)
            self._vectors.flush(live.index)

    def _remove(self, ids: Sequence[str]) -> int:
        """Delete points before images, durably: a crash leaves images without points, which garbage collection deletes."""
        self._context.check()
        with self._collections.writing(self._collection) as live:
            tiles = list(self._vectors.retrieve(live.index, ids).values())
            self._vectors.delete(live.index, [tile.id for tile in tiles])
            self._vectors.flush(live.index)
        self._blobs.delete([key for tile in tiles for key in image_keys(tile)])
        return len(tiles)


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[at : at + TILES_AT_ONCE] for at in range(0, len(ids), TILES_AT_ONCE))
