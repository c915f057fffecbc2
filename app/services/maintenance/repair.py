"""Rebuilds damaged state from what is left. Nothing is deleted: a replaced document is kept under `maintenance/damaged/`."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice

import numpy as np

from app.domain.collections import Collection
from app.domain.indexes import IndexRecord, Live
from app.domain.queries.search import TileFilter
from app.domain.tiles import Tile
from app.errors import Damaged, DyadError, NotFound
from app.imagery.tiling.tiler import read_tile
from app.ports import Blobs, VectorStore
from app.services.catalogue.collection_store import CollectionStore, document_key
from app.services.catalogue.images import image_owner, images_prefix
from app.services.catalogue.indexes import Indexes
from app.services.catalogue.models import ModelService
from app.services.catalogue.tile_settings import cut_spec

log = logging.getLogger(__name__)

KEPT = "maintenance/damaged/"
BATCH = 32
PREVIEW = "-preview.jpg"


class Repair:
    """Repairs collections. For a process that runs no jobs. max_pixels: DYAD_MAX_PIXELS."""

    def __init__(self, *, indexes: Indexes, models: ModelService, vectors: VectorStore, blobs: Blobs, max_pixels: int) -> None:
        self._store = CollectionStore(blobs)
        self._indexes = indexes
        self._models = models
        self._vectors = vectors
        self._blobs = blobs
        self._max_pixels = max_pixels

    def run(self) -> list[str]:
        """Repair everything that can be repaired; return what was done and what could not be, a line for each.

        Raises:
            Unavailable: a store does not answer.
        """
        done = []
        for index in sorted(self._indexes.damaged_records().keys() & self._indexes.owned()):
            self._indexes.rewrite(index)
            done.append(f"index {index}: its record was written again")
        owned = {index.split(".")[0] for index in self._indexes.owned()}
        for collection_id in sorted(owned | set(self._store.ids())):
            try:
                done += self._repair(collection_id)
            except (Damaged, NotFound) as error:
                done.append(f"collection {collection_id} cannot be repaired: {error}")
        return done

    def _repair(self, collection_id: str) -> list[str]:
        done = []
        index, others = self._choose(collection_id)
        try:
            self._store.get(collection_id)
        except (Damaged, NotFound):
            done.append(self._write_settings(collection_id, index or (others or self._all(collection_id))[0]))
        if index is None:
            return [*done, self._rebuild(collection_id, others)]
        if self._vectors.aliases().get(collection_id) != index:
            self._vectors.set_alias(collection_id, index)
            done.append(f"collection {collection_id}: {Live.of(index).version} is its live index again")
        return done

    def _all(self, collection_id: str) -> list[str]:
        names = sorted(index for index in self._indexes.owned() if index.startswith(f"{collection_id}."))
        if not names:
            raise NotFound("it has no index of this installation; restore a backup")
        return names

    def _choose(self, collection_id: str) -> tuple[str | None, list[str]]:
        """The intact index that should be live, None if it is damaged; and other intact indexes, the newest first."""
        records: list[IndexRecord] = self._indexes.whole(collection_id)
        intact = [record.index for record in records if self._is_intact(record.index)]
        live = self._vectors.aliases().get(collection_id)
        if live is not None and live in self._indexes.owned():
            return (live if self._is_intact(live) else None), intact
        names = [record.index for record in records]
        try:
            model = self._store.get(collection_id).model
        except (Damaged, NotFound):
            model = None
        wanted = next((index for index in names if Live.of(index).model == model), next(iter(names), None))
        return (wanted if wanted in intact else None), intact

    def _is_intact(self, index: str) -> bool:
        try:
            self._vectors.check(index)
        except (Damaged, NotFound):
            return False
        return True

    def _write_settings(self, collection_id: str, index: str) -> str:
        """Write settings that fit an index: its model, the size of its tiles, else the defaults."""
        with suppress(NotFound):
            self._blobs.put(f"{KEPT}{document_key(collection_id)}", self._blobs.get(document_key(collection_id)))
        try:
            tiles = self._vectors.scroll(index, limit=1, filter=TileFilter()).tiles
        except (Damaged, NotFound):
            tiles = []
        window = tiles[0].window if tiles else None
        size = Collection.model_fields["tile_size"].default if window is None else max(window.width, window.height)
        now = datetime.now(UTC)
        collection = Collection(
            id=collection_id, created=now, updated=now, model=Live.of(index).model, tile_size=size, stride=size
        )
        self._store.put(collection)
        return (
            f"collection {collection_id}: its settings were written again with model {collection.model} and tile size {size}; "
            "bands, scaling and stride are the defaults: check them before you index more tiles"
        )

    def _rebuild(self, collection_id: str, others: Sequence[str]) -> str:
        """Build a new live index from the stored images. others: intact indexes, whose records are used."""
        collection = self._store.get(collection_id)
        model = self._models.load(collection.model)
        spec = cut_spec(collection, model.card, self._max_pixels)
        index = self._indexes.begin(collection_id, model.card.id)
        self._vectors.create_index(index, model.card.dimension)
        count = lost = failed = 0
        for tiles, unknown in self._tiles(collection_id, others):
            pixels, good = [], []
            for tile in tiles:
                try:
                    pixels.append(read_tile(self._blobs.get(tile.image), spec, tile.stretch, window=tile.window))
                    good.append(tile)
                except (DyadError, ValueError) as error:
                    log.warning("%s: %s", tile.image, error)
                    failed += 1
            if good:
                self._vectors.upsert(index, good, model.embed(np.stack(pixels)))
            count, lost = count + len(good), lost + unknown
        self._indexes.finish(index)
        self._vectors.set_alias(collection_id, index)
        return (
            f"collection {collection_id}: index {Live.of(index).version} was built from {count} stored images"
            + (f"; {failed} images cannot be read" if failed else "")
            + (
                f"; {lost} tiles lost their source, place, time, labels and properties: index the same files again, and import "
                "the labels"
                if lost
                else ""
            )
        )

    def _tiles(self, collection_id: str, others: Sequence[str]) -> Iterator[tuple[list[Tile], int]]:
        """The tiles of all stored images in batches, each with the number of tiles whose record is lost."""
        keys = set(self._blobs.keys(images_prefix(collection_id)))
        images = {image_owner(key): key for key in sorted(keys) if not key.endswith(PREVIEW)}
        waiting = iter(sorted(images))
        while ids := list(islice(waiting, BATCH)):
            known: dict[str, Tile] = {}
            for index in reversed(others):  # the newest last
                known |= self._vectors.retrieve(index, ids)
            made = [
                known[tile] if tile in known and known[tile].image in keys else _bare(tile, images[tile], keys) for tile in ids
            ]
            yield made, sum(tile.source == tile.image for tile in made)


def _bare(tile_id: str, image: str, keys: set[str]) -> Tile:
    """A tile of which only the image is left; the image's key takes the place of its source."""
    stem = image.rsplit(".", 1)[0]
    preview = f"{stem}{PREVIEW}" if f"{stem}{PREVIEW}" in keys else None
    name = image.rsplit("/", 1)[-1]
    return Tile(tile_id, image, name, stem.rsplit("-", 1)[-1], image, datetime.now(UTC), preview)
